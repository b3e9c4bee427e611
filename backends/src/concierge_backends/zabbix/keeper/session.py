"""A session of the API that is opened when it is needed, and anew after Zabbix refused something."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from concierge_backends.zabbix import api
from concierge_proto import errors, settings

T = TypeVar("T")


class Session:
    """With the token of the host keeper."""

    def __init__(self, own: settings.Zabbix) -> None:
        self._own = own
        self._door: api.Api | None = None
        self._stack = contextlib.AsyncExitStack()
        self._lock = asyncio.Lock()

    async def call(self, work: Callable[[api.Api], Awaitable[T]]) -> T:
        """Do it; what is refused may be a token that was replaced, and its file is read again next time.

        Raises Temporary, Permanent.
        """
        try:
            return await work(await self._open())
        except errors.Permanent:
            await self.close()
            raise

    async def close(self) -> None:
        async with self._lock:
            self._door = None
            await self._stack.aclose()

    async def _open(self) -> api.Api:
        async with self._lock:
            if self._door is None:
                token = settings.read_secret(
                    self._own.keeper_token_file, "monitoring.zabbix.keeper_token_file"
                )[0]
                session = api.connect(self._own.api_url, api.Login(token=token), self._own.ca_file)
                self._door = await self._stack.enter_async_context(session)
            return self._door
