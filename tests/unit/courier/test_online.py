"""The connection to NATS, when it can't even be tried."""

import asyncio

import pytest

from concierge_courier import heartbeat, online, receipts, spool
from concierge_proto import settings


async def test_a_secret_that_has_vanished_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    where = settings.Nats(url="nats://127.0.0.1:1", token_file="/none")
    life = heartbeat.Life("web", "web-1", 10)
    running = asyncio.create_task(online.run(where, life, spool.Spool(1000, 60), receipts.Receipts(5)))
    async with asyncio.timeout(30):
        while not caplog.records:
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    assert [(record.exc_info, record.message) for record in caplog.records] == [
        (None, "nats.token_file: cannot read /none: No such file or directory; trying again every 5 s")
    ]
