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

_AWAY = (
    nats.errors.TimeoutError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.StaleConnectionError,
    nats.errors.NoServersError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.FlushTimeoutError,
    nats.errors.NoRespondersError,
    nats.js.errors.NoStreamResponseError,
    asyncio.TimeoutError,
    OSError,
)


@contextmanager
def translated(doing: str, hint: str = "") -> Iterator[None]:
    """Re-raise what nats-py raises as Temporary or Permanent. `hint`: the server's last complaint."""
    complaint = f"; the server's last complaint: {hint}" if hint else ""
    try:
        with cancellable():
            yield
    except nats.js.errors.APIError as error:
        text = f"{doing}: {error.description or error}{complaint}"
        if error.err_code in FULL or (error.code or 0) >= 500:  # noqa: PLR2004 - HTTP-like
            raise errors.Temporary(text) from error
        raise errors.Permanent(text) from error
    except _AWAY as error:
        reason = str(error) or "no answer"
        raise errors.Temporary(f"{doing}: {reason}{complaint}") from error
    except nats.errors.MaxPayloadError as error:
        raise errors.TooLarge(f"{doing}: {error}") from error


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
