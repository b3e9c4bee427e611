"""Blocking work in a thread that nobody waits for: a stuck one delays neither the loop nor the end."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from concierge_proto import errors

T = TypeVar("T")


class Aside:
    """At most one thread at a time. The executor of asyncio is no choice: it is joined at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._free = asyncio.Event()
        self._free.set()

    async def run(self, work: Callable[[], T], abort: Callable[[], None]) -> T:
        """Return what `work` returns; when this is cancelled, `abort` tells the thread.

        Waits first for an earlier thread that is still stuck. Raises Temporary when no thread can be started.
        """
        await self._free.wait()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def body() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised again, where somebody waits
                failed = error
                tell(lambda: future.set_exception(failed))
            else:
                tell(lambda: future.set_result(result))

        def tell(say: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._finish, future, say)

        self._start(body)
        try:
            return await future
        except asyncio.CancelledError:
            abort()
            raise

    def _start(self, body: Callable[[], None]) -> None:
        try:
            threading.Thread(target=body, name=self._name, daemon=True).start()
        except RuntimeError as error:  # for a moment perhaps: the application's threads count, too
            raise errors.Temporary(f"{error}: the limit of processes and threads is reached") from error
        self._free.clear()

    def _finish(self, future: "asyncio.Future[T]", say: Callable[[], None]) -> None:
        self._free.set()
        if not future.done():
            say()
