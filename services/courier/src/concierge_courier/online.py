"""What needs NATS, beside everything that does not: connected when it can be, again when it was away too long."""

import asyncio
import logging

from concierge_courier import deliver, heartbeat, receipts, spool
from concierge_proto import bus, errors, settings, subjects

log = logging.getLogger(__name__)

_LOOK = 1.0
_AWAY = 60.0
"""Seconds after which the connection is made anew, for its credentials may have been replaced."""
_PAUSE = 5.0


async def run(
    where: settings.Nats, life: heartbeat.Life, waiting: spool.Spool, heard: receipts.Receipts
) -> None:
    """Speak and listen until cancelled. A fault ends this connection, never the application."""
    while True:
        try:
            await _connected(where, life, waiting, heard)
        except* errors.Temporary as away:
            log.warning("nats: %s", away.exceptions[0])
        except* errors.Permanent as wrong:
            log.warning("%s; trying again every %g s", wrong.exceptions[0], _PAUSE)
            await asyncio.sleep(_PAUSE)
        except* Exception:
            log.exception("unexpected; connecting to NATS again in %g s", _PAUSE)
            await asyncio.sleep(_PAUSE)


async def _connected(
    where: settings.Nats, life: heartbeat.Life, waiting: spool.Spool, heard: receipts.Receipts
) -> None:
    async with bus.connect(where, life.source.lstrip("/")) as link, asyncio.TaskGroup() as group:
        log.info("nats: connected")
        try:
            group.create_task(deliver.run(link, waiting))
            group.create_task(life.beat(link))
            group.create_task(life.answer(link))
            group.create_task(heard.listen(link, subjects.receipt(life.service, life.instance)))
            await _lost(link)
        finally:
            waiting.put_back()


async def _lost(link: bus.Bus) -> None:
    """Raise Temporary when the connection has been away for too long."""
    away = 0.0
    while True:
        await asyncio.sleep(_LOOK)
        away = 0.0 if link.connected else away + _LOOK
        if away > _AWAY:
            raise errors.Temporary(f"away for {_AWAY:g} s, connecting anew")
