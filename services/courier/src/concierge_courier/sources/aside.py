"""Blocking work in a thread that nobody waits for: a stuck one delays neither the loop nor the end."""

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import TypeVar

from concierge_proto import errors

T = TypeVar("T")


class Aside:
    """At most one thread at a time. The executor of asyncio is no choice: it is joined at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T], abort: Callable[[], None]) -> T:
        """Return what `work` returns; when this is cancelled, `abort` tells the thread.

        Raises Temporary while an earlier thread is still stuck.
        """
        if self._thread and self._thread.is_alive():
            raise errors.Temporary(f"{self._name}: the last reading is still stuck")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._thread = threading.Thread(target=_body, args=(work, loop, future), name=self._name, daemon=True)
        self._thread.start()
        try:
            return await future
        except asyncio.CancelledError:
            abort()
            raise


def _body(work: Callable[[], T], loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]") -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised again, where somebody waits for it
        _tell(loop, future, functools.partial(future.set_exception, error))
    else:
        _tell(loop, future, functools.partial(future.set_result, result))


def _tell(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", say: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(lambda: None if future.done() else say())
