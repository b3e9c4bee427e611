"""Who speaks: a Standard Webhooks signature, or a bearer token where the sender cannot sign."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from concierge_gateway import answers
from concierge_proto import errors, settings, signature


class Guard:
    """Believes one source: every active key and token counts, so that they can be rotated without a gap."""

    def __init__(self, keys: Sequence[bytes], tokens: Sequence[str], tolerance: float) -> None:
        self._tolerance = tolerance
        self.renew(keys, tokens)

    def renew(self, keys: Sequence[bytes], tokens: Sequence[str]) -> None:
        """Believe these from now on, and no others."""
        self._keys = tuple(keys)
        self._tokens = tuple(_digest(token.encode()) for token in tokens)

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Raise Refusal 401 unless the request comes from the source; `now`: seconds since 1970."""
        if self._tokens and (not self._keys or "webhook-signature" not in headers):
            self._check_token(headers.get("authorization", ""))
            return
        try:
            signature.verify(self._keys, headers, body, now, self._tolerance)
        except signature.Refused as error:
            raise answers.Refusal(401, str(error)) from None

    def _check_token(self, header: str) -> None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            found = "is no bearer token" if header else "is missing"
            raise _stranger(f"header authorization {found}{self._alternative()}")
        given = _digest(token.strip().encode())
        # every token is compared, so that time says nothing about which one matched
        if not sum(hmac.compare_digest(given, known) for known in self._tokens):
            raise _stranger("header authorization: the token is none of the active ones")

    def _alternative(self) -> str:
        return ", and so is webhook-signature" if self._keys else ""


def guard(name: str, source: settings.Source, secrets: Sequence[str] = ()) -> Guard:
    """Return the guard of a source; raise Permanent with the path of the setting that can't be used.

    Args:
        name: Of the source.
        source: Its settings.
        secrets: HMAC secrets that stand in no file.
    """
    return Guard(*proofs(name, source, secrets), source.tolerance)


def proofs(name: str, source: settings.Source, secrets: Sequence[str]) -> tuple[list[bytes], list[str]]:
    """Return every active key and token of a source; raises as `guard`."""
    path = f"gateway.sources.{name}"
    texts = list(secrets)
    if source.secret_file:
        texts += settings.read_secret(source.secret_file, f"{path}.secret_file")
    tokens = settings.read_secret(source.token_file, f"{path}.token_file") if source.token_file else []
    if not texts and not tokens:
        raise errors.Permanent(
            f"{path}: set secret_file (HMAC) or token_file (bearer): nobody is believed unproven"
        )
    try:
        return [signature.key_of(text) for text in texts], tokens
    except errors.Permanent as error:
        raise errors.Permanent(f"{path}.secret_file: {error}") from error


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _stranger(reason: str) -> answers.Refusal:
    return answers.Refusal(401, reason, {"WWW-Authenticate": "Bearer"})
