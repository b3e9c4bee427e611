"""Where NATS is, and what opens its door: the addresses, and the files with secrets and certificates."""

import importlib.util
import ssl
from typing import Any
from urllib.parse import urlsplit

from concierge_proto import errors, settings

_SCHEMES = {"nats", "tls"}
_SEED = "BEGIN USER NKEY SEED"


def check(where: settings.Nats) -> None:
    """Raise Permanent with the setting that can't be, before anybody connects."""
    servers(where.url)
    options(where)


def shown(text: str) -> str:
    """Return addresses without what may be secret in them."""
    return ", ".join(one.strip().rpartition("@")[2] for one in text.split(","))


def servers(text: str) -> list[str]:
    """Return the addresses of a list with commas; raise Permanent with the one that is none."""
    found = [one.strip() for one in text.split(",")]
    for one in found:
        if not _valid(one):
            raise errors.Permanent(f"nats.url: {shown(one)!r} is no address: write nats://host:4222")
    return found


def options(where: settings.Nats) -> dict[str, Any]:
    """Return what nats-py is to show at the door; raise Permanent with the setting that is wrong."""
    found: dict[str, Any] = {}
    if bool(where.user) != bool(where.password_file):
        raise errors.Permanent("nats.user and nats.password_file go together: say both")
    if where.user:
        found["user"] = where.user
        found["password"] = settings.read_secret(where.password_file, "nats.password_file")[0]
    if where.token_file:
        found["token"] = settings.read_secret(where.token_file, "nats.token_file")[0]
    if where.creds_file:
        found["user_credentials"] = _credentials(where.creds_file)
    if where.ca_file or where.cert_file:
        found["tls"] = _tls(where)
    return found


def _valid(address: str) -> bool:
    try:
        parts = urlsplit(address if "://" in address else f"nats://{address}")
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _credentials(path: str) -> str:
    """nats-py reads the file itself, at each connect; with a library that it brings only when asked."""
    if not any(_SEED in line for line in settings.read_secret(path, "nats.creds_file")):
        raise errors.Permanent(f"nats.creds_file: {path} has no line {_SEED!r}: nsc writes such files")
    if importlib.util.find_spec("nkeys") is None:
        raise errors.Permanent("nats.creds_file: needs a library: pip install 'nats-py[nkeys]'")
    return path


def _tls(where: settings.Nats) -> ssl.SSLContext:
    files = " ".join(filter(None, (where.ca_file, where.cert_file, where.key_file)))
    try:
        context = ssl.create_default_context(cafile=where.ca_file or None)
        if where.cert_file:
            context.load_cert_chain(where.cert_file, where.key_file or None, password=_no_password)
    except OSError as error:
        raise errors.Permanent(f"nats: no certificate or key of use in {files}: {error}") from error
    return context


def _no_password() -> str:
    """A key that is encrypted is refused: OpenSSL would ask on somebody's terminal."""
    return ""
