"""One request of an operator: who asks, and what the request says."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

from starlette.requests import Request

from concierge_gateway import answers, intake, operators
from concierge_proto import codec, errors, settings

T = TypeVar("T")

_KEY = 200
_OLDEST = timedelta(days=3650)


class Asked:
    """Raises Refusal or Malformed with the part of the request that is wrong."""

    def __init__(self, request: Request, headers: Mapping[str, str], who: operators.Operator) -> None:
        self.who = who
        self._request = request
        self._headers = headers

    def path(self, name: str) -> str:
        return str(self._request.path_params[name])

    def query(self, name: str) -> str:
        return self._request.query_params.get(name, "")

    def age(self, name: str, default: timedelta) -> timedelta:
        """Return a query's duration, e.g. `?since=24h`."""
        text = self.query(name)
        try:
            found = timedelta(seconds=settings.Duration.parse(text)) if text else default
        except (ValueError, OverflowError) as error:
            raise errors.Malformed(f"query {name}: {error}") from None
        if found > _OLDEST:
            raise errors.Malformed(f"query {name}: at most {_OLDEST.days}d")
        return found

    def limit(self, most: int) -> int:
        """Return `?limit=`, at most `most`."""
        text = self.query("limit")
        if not text:
            return min(50, most)
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= most):
            raise errors.Malformed(f"query limit: write 1 to {most}")
        return int(text)

    def key(self) -> str:
        """Return the header `Idempotency-Key`: the same one is the same command."""
        key = self._headers.get("idempotency-key", "")
        if len(key) > _KEY:
            raise answers.Refusal(400, f"header idempotency-key: at most {_KEY} characters")
        return key

    async def body(self, kind: type[T], limit: int) -> T:
        """Return the JSON body of at most `limit` bytes."""
        return codec.decode(kind, await intake.read(self._request, self._headers, limit, intake.PATIENCE))
