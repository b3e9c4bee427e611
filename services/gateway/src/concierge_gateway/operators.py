"""Who uses the API: a token names an operator, and the operator's role says what may be done."""

import functools
import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple

from concierge_gateway import answers, renewal
from concierge_proto import errors, settings


class Operator(NamedTuple):
    """Somebody whose token was believed."""

    name: str
    settings: settings.Operator

    def sees(self, service: str) -> bool:
        return not self.settings.services or service in self.settings.services

    def must_see(self, service: str) -> None:
        """Raise Refusal 403 unless the operator may look at the service."""
        if not self.sees(service):
            raise answers.Refusal(
                403, f"{self.name} may not look at {service}: see gateway.operators.{self.name}"
            )

    def must_rule(self, service: str) -> None:
        """Raise Refusal 403 unless the operator may change the service."""
        self.must_see(service)
        if self.settings.role != "operator":
            raise answers.Refusal(403, f'{self.name} is a viewer: it needs role = "operator" for that')


class Operators:
    """Everybody in `[gateway.operators]`."""

    def __init__(self, config: settings.Settings) -> None:
        self._operators = [Operator(name, found) for name, found in config.gateway.operators.items()]
        self._tokens = {operator.name: _digests(operator) for operator in self._operators}

    def renew(self, operator: Operator) -> None:
        """Believe what stands in the operator's file now, and nothing else; raises Permanent, and then changes nothing."""
        self._tokens[operator.name] = _digests(operator)

    def followed(self) -> list[renewal.Followed]:
        """Return every operator's file."""
        return [
            renewal.Followed(
                f"operator {operator.name}",
                (operator.settings.token_file,),
                functools.partial(self.renew, operator),
            )
            for operator in self._operators
        ]

    def find(self, headers: Mapping[str, str]) -> Operator:
        """Return who asks; raise Refusal 401 for a stranger, 404 where there are no operators."""
        if not self._tokens:
            raise answers.Refusal(
                404, "nobody may use the API: add [gateway.operators.NAME] with a token_file"
            )
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = _digest(token.strip() if scheme.lower() == "bearer" else "")
        # every token is compared, so that time says nothing about which one matched
        found = [
            operator
            for operator in self._operators
            for known in self._tokens[operator.name]
            if hmac.compare_digest(given, known)
        ]
        if not found:
            said = (
                "the token is none of the active ones"
                if token
                else "header authorization is missing: Bearer TOKEN"
            )
            raise answers.Refusal(401, said, {"WWW-Authenticate": "Bearer"})
        return found[0]


def _digests(operator: Operator) -> list[bytes]:
    name, found = operator
    tokens = settings.read_secret(found.token_file, f"gateway.operators.{name}.token_file")
    for service in found.services:
        if not service:
            raise errors.Permanent(f"gateway.operators.{name}.services: an empty name")
    return [_digest(token) for token in tokens]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
