"""Sends one value by a pre-shared key, and prints what came of it; runs in a Python that can."""

import asyncio
import json
import sys
import time

from concierge_backends.zabbix import backend
from concierge_proto import errors, messages, settings


async def send(own: dict[str, object], host: str, seconds: float) -> dict[str, object]:
    """Until Zabbix takes it, or the time is over; at least once."""
    config = settings.parse({"monitoring": {"zabbix": own}}, "test")
    async with backend.open(config) as system:
        end = time.monotonic() + seconds
        while not (said := await tried(system, host)).get("processed") and time.monotonic() < end:
            await asyncio.sleep(0.2)
        return said


async def tried(system: backend.Backend, host: str) -> dict[str, object]:
    try:
        found = await system.snapshot(snapshot(host))
    except errors.Temporary as error:
        return {"error": str(error)}
    return {"processed": found.processed, "detail": found.detail}


def snapshot(host: str) -> messages.Snapshot:
    block = messages.Block(kind="item", fields=("value",), names=("good",), values=(1.5,))
    return messages.Snapshot(
        service="shop", instance=host, time_ns=time.time_ns(), seq=1, boot="b1", blocks=(block,)
    )


if __name__ == "__main__":
    _, given, name, patience = sys.argv
    json.dump(asyncio.run(send(json.loads(given), name, float(patience))), sys.stdout)
