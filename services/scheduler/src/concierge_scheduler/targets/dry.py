"""A target that only tells: what is read is the real one's, what would be written is said and left undone."""

from collections.abc import Callable
from typing import NoReturn

from concierge_proto import errors
from concierge_scheduler.targets import port

MEGA = 1024 * 1024


class Dry:
    """Stands before a real target. Nothing that it is asked to change reaches that."""

    whole = True
    """So that a restart of several is told at once."""
    lasting = 0.0

    def __init__(self, target: port.Target) -> None:
        self.name = target.name
        self._target = target

    async def identity(self) -> str:
        return await self._target.identity()

    async def read(self) -> dict[str, port.Observed]:
        return await self._target.read()

    async def scale(self, service: str, count: int, intent: str) -> NoReturn:  # noqa: ARG002 - nothing to sign
        """Raise Told, also with what would have stood in the way."""
        seen = await self._seen(service)
        obstacle = await self._target.why_not(service, count)
        raise port.Told(f"would go {seen.wanted} → {count}{obstacle and f', and could not: {obstacle}'}")

    async def act(self, service: str, deed: port.Deed) -> NoReturn:
        await self._seen(service)
        names = ", ".join(one.name for one in deed.instances)
        raise port.Told(f"would {_WORDS[deed.verb](deed, names)}")

    async def why_not(self, service: str, most: int) -> str:
        return await self._target.why_not(service, most)

    async def close(self) -> None:
        await self._target.close()

    async def _seen(self, service: str) -> port.Observed:
        seen = (await self.read()).get(service)
        if seen is None:
            raise errors.Permanent(f"target {self.name}: no such service: {service}")
        return seen


_WORDS: dict[str, Callable[[port.Deed, str], str]] = {
    "restart": lambda _, names: f"restart {names}",
    "signal": lambda deed, names: f"send {deed.signal} to {names}",
    "resize": lambda deed, names: f"give {names} {_size(deed)}",
}


def _size(deed: port.Deed) -> str:
    parts = (f"{deed.cpus:g} CPUs" if deed.cpus else "", f"{deed.memory // MEGA} MB" if deed.memory else "")
    return " and ".join(part for part in parts if part)
