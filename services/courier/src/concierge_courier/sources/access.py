"""What opens a source that asks who is there: files with secrets, never the secrets themselves."""

import base64
import ssl
from pathlib import Path

import msgspec

from concierge_proto import errors


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Of one source. The files are read anew for every collection, for they are replaced now and then."""

    token_file: str = ""
    """A bearer token."""
    user: str = ""
    password_file: str = ""
    """Of `user`: basic authentication."""
    ca_file: str = ""
    """PEM; the server is verified against it alone."""
    cert_file: str = ""
    """PEM; the client's certificate, its key too unless `key_file` has it."""
    key_file: str = ""

    @property
    def secure(self) -> bool:
        """Whether it makes sense over TLS only."""
        return bool(self.ca_file or self.cert_file)

    def check(self, name: str) -> None:
        """Raise Permanent with what is missing."""
        wrong = self._contradiction()
        if wrong:
            raise errors.Permanent(f"source {name}: {wrong}")
        for path in (self.token_file, self.password_file, self.ca_file, self.cert_file, self.key_file):
            if path:
                _content(path, errors.Permanent, name)
        try:
            if self.secure:
                self.context()
        except OSError as error:
            raise errors.Permanent(f"source {name}: no certificate or key of use: {error}") from error

    def _contradiction(self) -> str:
        if self.token_file and self.user:
            return "a token or a user with a password, not both"
        if bool(self.user) != bool(self.password_file):
            return "--source-user and --source-password-file go together: say both"
        if ":" in self.user:
            return "a user of basic authentication has no colon"
        if self.key_file and not self.cert_file:
            return "a key without its certificate: say --source-cert-file"
        return ""

    def headers(self, name: str) -> dict[str, str]:
        """Return what the request says about us; raise Temporary when a file can't be read."""
        if self.token_file:
            token = _secret(self.token_file, name)
            if not token.isascii():
                raise errors.Temporary(
                    f"source {name}: {self.token_file} holds no token: plain ASCII is expected"
                )
            return {"Authorization": f"Bearer {token}"}
        if self.user:
            pair = f"{self.user}:{_secret(self.password_file, name)}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}

    def stamp(self) -> tuple[int, ...]:
        """Return what changes with the files that `context` reads."""
        return tuple(
            Path(path).stat().st_mtime_ns for path in (self.ca_file, self.cert_file, self.key_file) if path
        )

    def context(self) -> ssl.SSLContext:
        """Return how to speak TLS. Costs milliseconds and megabytes: keep it while `stamp` is the same."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file or None, password=_no_password)
        return context


def _secret(path: str, name: str) -> str:
    secret = _content(path, errors.Temporary, name).strip()
    if not secret or not secret.isprintable():
        raise errors.Temporary(f"source {name}: {path} holds no secret: one line of text is expected")
    return secret


def _content(path: str, kind: type[errors.ConciergeError], name: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise kind(f"source {name}: cannot read {path}: {reason}") from error


def _no_password() -> str:
    """A key that is encrypted is refused: OpenSSL would ask on the application's terminal."""
    return ""
