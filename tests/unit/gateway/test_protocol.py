"""How an answer reaches the kernel."""

import asyncio
from typing import cast

from concierge_gateway import protocol


class Transport:
    """Keeps what was written."""

    def __init__(self) -> None:
        self.said: list[bytes | None] = []

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.said.append(None)


async def test_what_is_said_in_one_turn_is_written_once() -> None:
    below = Transport()
    whole = protocol.Whole(cast("asyncio.Transport", below))
    whole.write(b"head")
    whole.write(b"body")
    assert below.said == []
    await asyncio.sleep(0)
    whole.write(b"next")
    await asyncio.sleep(0)
    assert below.said == [b"headbody", b"next"]


async def test_nothing_is_lost_when_it_closes() -> None:
    below = Transport()
    whole = protocol.Whole(cast("asyncio.Transport", below))
    whole.write(b"farewell")
    whole.close()
    await asyncio.sleep(0)
    assert below.said == [b"farewell", None]
