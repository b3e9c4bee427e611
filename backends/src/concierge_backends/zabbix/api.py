"""The one door to Zabbix's API: zabbix-utils in a thread, since its own async login blocks the loop."""

import asyncio
import contextlib
import http.client
import re
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from concierge_proto import errors

TIMEOUT = 30
"""Seconds of one call."""


class Stranger(errors.Permanent):
    """Zabbix does not know the token any more: it was revoked, has expired, or was replaced."""


class Clash(errors.Temporary):
    """Zabbix's database refused a statement, and nothing was changed: as a rule somebody else writes the same now."""


class Taken(errors.Permanent):
    """There is already something of that name: it was there, or somebody else has just made it."""


_STRANGER = re.compile(r"not authori[sz]ed|session terminated|token expired", re.IGNORECASE)
_CLASH = re.compile(r"SQL statement execution has failed|DBEXECUTE_ERROR")
_TAKEN = re.compile(r"already exists")


class Login(NamedTuple):
    """Who calls: a token, or a user with a password."""

    token: str = ""
    user: str = ""
    password: str = ""


class Api:
    """A session. Raises Temporary when Zabbix is away, Permanent with its own words when it refuses."""

    def __init__(self, session: Any, url: str) -> None:
        self._session = session
        self._url = url
        self.version = str(session.version)
        self.seven: bool = session.version.major >= 7.0  # noqa: PLR2004 - the version
        """Whether the names of 7.0 apply; those of 6.0 do not work there, and the other way round."""

    async def call(self, method: str, params: Any) -> Any:
        """Return the result of a method, e.g. `host.get`."""
        return await asyncio.to_thread(self._call, method, params)

    def _call(self, method: str, params: Any) -> Any:
        with translated(self._url, method):
            return self._session.send_api_request(method, params)["result"]


@contextlib.asynccontextmanager
async def connect(url: str, login: Login, ca_file: str = "") -> AsyncIterator[Api]:
    """Log in while the context is open. Raises Temporary, Permanent."""
    session = await asyncio.to_thread(_connect, url, login, ca_file)
    try:
        yield Api(session, url)
    finally:
        with contextlib.suppress(errors.Temporary, errors.Permanent):
            await asyncio.to_thread(_logout, session, url)


def _connect(url: str, login: Login, ca_file: str) -> Any:
    utils = _utils()
    if not url:
        raise errors.Permanent("monitoring.zabbix.api_url is not set: write the address of the front end")
    if not _addresses(url):
        raise errors.Permanent(
            "the front end's address (monitoring.zabbix.api_url, or --url) is none: "
            "write it like https://zabbix.example/, without user and password"
        )
    if not login.token and not (login.user and login.password):
        raise errors.Permanent("Zabbix's API needs a token, or a user and a password")
    with translated(url, "user.login"):
        context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        session = utils.ZabbixAPI(url, ssl_context=context, timeout=TIMEOUT)
        session.login(login.token or None, login.user or None, login.password or None)
        return session


def _addresses(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        number = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"} and bool(parts.hostname) and number != 0 and "@" not in parts.netloc
    )


def _logout(session: Any, url: str) -> None:
    with translated(url, "user.logout"):
        session.logout()


def _utils() -> Any:
    try:
        import zabbix_utils  # noqa: PLC0415 - the library is an extra
    except ImportError as error:
        raise errors.Permanent(
            "Zabbix's API needs zabbix-utils: pip install 'concierge-backends[zabbix]'"
        ) from error
    zabbix_utils.api.env = {}  # it would log in by ZABBIX_USER and its like: ours come from the configuration
    return zabbix_utils


@contextlib.contextmanager
def translated(url: str, method: str) -> Iterator[None]:
    """Turn the library's errors into ours."""
    from zabbix_utils import exceptions  # noqa: PLC0415 - the library is an extra

    try:
        yield
    except exceptions.APIRequestError as error:
        raise _refusal(method, _words(error)) from error
    except exceptions.APINotSupported as error:
        raise errors.Permanent(f"{url}: {error}") from error
    except (exceptions.ProcessingError, OSError, http.client.HTTPException) as error:
        raise errors.Temporary(
            f"Zabbix's API at {url} is away ({method}): {error}{_elsewhere(error)}", 5
        ) from error


def _elsewhere(error: Exception) -> str:
    """The remedy for a page that is not there; the library keeps of an answer's status only the words."""
    return (
        "; api_url is the address of the login page, often with /zabbix/ at its end"
        if " 404:" in str(error)
        else ""
    )


def _refusal(method: str, words: str) -> errors.ConciergeError:
    """Sort a refusal. The statement that a database refused is not repeated: a password may stand in it."""
    if _CLASH.search(words):
        return Clash(f"Zabbix refused {method}: its database did, somebody else may be writing the same", 1)
    kind = Stranger if _STRANGER.search(words) else Taken if _TAKEN.search(words) else errors.Permanent
    return kind(f"Zabbix refused {method}: {words}")


def _words(error: Any) -> str:
    """What Zabbix said, without the request, in which a password may stand."""
    return str(getattr(error, "data", "") or getattr(error, "message", "") or type(error).__name__)
