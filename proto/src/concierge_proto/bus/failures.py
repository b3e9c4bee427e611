"""nats-py's exceptions, told in ours: what the caller should do."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
import nats.js.errors

from concierge_proto import errors

EXISTS_DIFFERENTLY = 10058
"""JetStream: a stream of that name has another configuration."""
FULL = {10077, 10025}
"""JetStream: the stream, or the subject in it, is full."""

MOVED = {10071, 10164}
"""JetStream: the last sequence of the subject is another than was expected."""

_AWAY = (
    nats.errors.TimeoutError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.StaleConnectionError,
    nats.errors.NoServersError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.FlushTimeoutError,
    nats.errors.NoRespondersError,
    asyncio.TimeoutError,
    OSError,
)

_NO_STREAM = (
    "no stream takes it: start Concierge once against this NATS, which makes them, and needs JetStream there"
)


class Told:
    """Re-raises what nats-py raises as Temporary or Permanent. `hint`: the server's last complaint.

    A class, for a generator costs three times as much, and every message passes here twice.
    """

    def __init__(self, doing: str, hint: str = "") -> None:
        self._doing = doing
        self._hint = hint

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._raise(error)

    def _raise(self, error: BaseException) -> None:
        complaint = f"; the server's last complaint: {self._hint}" if self._hint else ""
        if isinstance(error, nats.js.errors.APIError):
            text = f"{self._doing}: {error.description or error}{complaint}"
            if error.err_code in FULL or (error.code or 0) >= 500:  # noqa: PLR2004 - HTTP-like
                raise errors.Temporary(text) from error
            raise errors.Permanent(text) from error
        if isinstance(error, nats.js.errors.NoStreamResponseError):
            raise errors.Temporary(f"{self._doing}: {_NO_STREAM}{complaint}") from error
        if isinstance(error, _AWAY):
            reason = str(error) or "no answer"
            raise errors.Temporary(f"{self._doing}: {reason}{complaint}") from error
        if isinstance(error, nats.errors.MaxPayloadError):
            raise errors.TooLarge(f"{self._doing}: {error}") from error


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Re-raise as `Told` does, and a cancellation that was swallowed: for what waits inside nats-py."""
    with Told(doing), cancellable():
        yield


@contextmanager
def cancellable() -> Iterator[None]:
    """Raise CancelledError where one was asked for in between and swallowed.

    Before Python 3.12 `asyncio.wait_for`, on which nats-py stands, swallows a cancellation that comes in
    the same turn as its result; the caller would go on for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
