"""Reading a target: one listing serves everybody who asked before it began."""

import asyncio

from concierge_proto import errors
from concierge_scheduler.targets import port

Sight = dict[str, port.Observed]


class Survey:
    """What a target shows, never older than the question."""

    def __init__(self, target: port.Target) -> None:
        self._target = target
        self._reading = asyncio.Lock()
        self._begun = 0
        self._ended = 0
        self._found: Sight | errors.ConciergeError = errors.Temporary("not read yet")

    @property
    def last(self) -> Sight | None:
        """The newest listing; None when the last try failed."""
        return None if isinstance(self._found, errors.ConciergeError) else self._found

    async def read(self) -> Sight:
        """Return a listing that began after this call; raises what the target raises."""
        begun = self._begun
        async with self._reading:
            if self._ended <= begun:  # one that was cut off has shown nothing
                self._begun += 1
                await self._look()
                self._ended = self._begun
        if isinstance(self._found, errors.ConciergeError):
            raise self._found
        return self._found

    async def _look(self) -> None:
        try:
            self._found = await self._target.read()
        except errors.ConciergeError as error:
            self._found = error
