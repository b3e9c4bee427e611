"""Tokens of the identities, in the files that the configuration names; shown to nobody."""

import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from concierge_backends.zabbix import api
from concierge_backends.zabbix.provision import ledger
from concierge_proto import errors, settings

KIND = ledger.Kind("token", "token", "tokenid", "name")
Try = Callable[[str], Awaitable[None]]
"""Call Zabbix with a token; raises Permanent where it is refused."""


def trier(url: str, ca_file: str) -> Try:
    async def tried(token: str) -> None:
        async with api.connect(url, api.Login(token=token), ca_file) as door:
            await door.call("host.get", {"limit": 1, "output": ["hostid"]})

    return tried


async def spare(files: Iterable[str], url: str, known: str, attempt: Try) -> None:
    """Raise Permanent where a file holds the token of another server. `known`: the front end of the configuration."""
    if not known or url.rstrip("/") == known.rstrip("/"):
        return
    for file in files:
        if Path(file).exists() and not await _taken(Path(file), attempt):
            raise errors.Permanent(
                f"{file} holds a token that {url} refuses, and monitoring.zabbix.api_url is {known}: give another "
                "server a configuration of its own; for the same one under another name, take the file away"
            )


async def settle(book: ledger.Ledger, name: str, user_id: str, file: str, attempt: Try) -> None:
    """Leave a token that Zabbix takes as it is; else make one for the user, and write it with mode 0600."""
    path = Path(file)
    if path.exists() and await _taken(path, attempt):
        book.changes.append(ledger.Change("none", KIND.title, name))
        return
    found = await book.find("token.get", {"userids": [user_id], "filter": {"name": [name]}}, user_id)
    book.changes.append(ledger.Change("update" if found else "create", KIND.title, f"{name} in {path}"))
    if book.dry:
        return
    fresh = _place(path)
    try:
        fresh.write_text(await _make(book, name, user_id, found) + "\n")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


async def _taken(path: Path, attempt: Try) -> bool:
    try:
        await attempt(settings.read_secret(str(path), str(path))[0])
    except errors.Permanent:
        return False
    return True


async def _make(book: ledger.Ledger, name: str, user_id: str, found: list[ledger.Doc]) -> str:
    if not found:
        made = await book.write("token.create", {"name": name, "userid": user_id})
        found = [{"tokenid": made["tokenids"][0]}]
    else:
        # Somebody may have switched it off, or it has expired: a new secret alone would be refused as well.
        await book.write("token.update", {"tokenid": found[0]["tokenid"], "status": 0, "expires_at": 0})
    (generated,) = await book.write("token.generate", [found[0]["tokenid"]])
    return str(generated["token"])


def _place(path: Path) -> Path:
    """Return an empty file beside it that only we can read; before a token is made that nobody could keep."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise errors.Permanent(
            f"{path}: a token can't be written there ({error.strerror}): make the folder"
        ) from error
    return fresh
