"""`concierge up` with HTTPS: the embedded monitor calls its own gateway by it."""

import asyncio
from pathlib import Path

from tests import papers
from tests.integration.cli.desk import CONFIG, Desk


async def test_the_embedded_monitor_trusts_its_own_gateway(tmp_path: Path) -> None:
    pair = papers.make(tmp_path / "papers")
    gateway = f'[gateway]\ntls_cert_file = "{pair.cert}"\ntls_key_file = "{pair.key}"\n'
    trigger = (
        '\n[[services.web.triggers]]\nname = "Too few"\nmetric = "heard"\nbelow = 2\naction = "scale_out 1"\n'
    )
    desk = Desk(tmp_path, CONFIG.replace("[gateway]\n", gateway) + trigger)
    async with desk.up(), asyncio.timeout(60):
        while (1, 2, "converged") not in await outcomes(desk):
            await asyncio.sleep(0.2)


async def outcomes(desk: Desk) -> list[tuple[int, int, str]]:
    told = await desk.say("events", "--kind", "outcome", "--json")
    return [(event["before"], event["after"], event["result"]) for event in told.json]
