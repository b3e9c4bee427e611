"""What is done once and ends: show what would be sent, print a discovery, deliver one shot."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec

from concierge_courier import collect, control, discover, options, receipts, run, shape
from concierge_courier.sources import port
from concierge_proto import bus, errors, messages, subjects

log = logging.getLogger(__name__)

_EXIT = {receipts.TIMED_OUT: 2, receipts.FAILED: 1}
"""Verdict to exit code; anything else is a success."""
_WIDEST = 80
"""Characters of the first column; a longer name pushes its value to the right."""


async def dry_run(chosen: options.Options, sources: Sequence[port.Source]) -> int:
    """Print what one collection would send. Exit code 1 when a source could not be read."""
    courier = run.Courier(chosen, sources)
    shot = await collect.shoot(sources, chosen.limits)
    snapshot = courier.snapshot(shot)
    if chosen.json:
        found = {"snapshot": snapshot, "discovery": discover.names(shot.blocks)}
        _print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        _print("\n".join(table(snapshot)))
    _complain(shot)
    return int(any(read.reading is None for read in shot.reads))


def table(snapshot: messages.Snapshot) -> Iterator[str]:
    """Yield lines: key and value, a block after the other; then what is discovered, read, and how many."""
    rows = [
        (shape.key(block.kind, name, field), value)
        for block in snapshot.blocks
        for name, field, value in block.cells()
    ]
    width = min(max((len(key) for key, _ in rows), default=0), _WIDEST)
    for key, value in rows:
        yield f"{key:<{width}}  {value}"
    for kind, found in discover.names(snapshot.blocks).items():
        yield f"# discovery {kind}: {len(found)} names"
    for report in snapshot.sources:
        yield f"# source {report.name}: {report.error or f'{report.elapsed_ms} ms'}"
    yield f"# {snapshot.total} values at {snapshot.time_ns} ns"


async def show_names(chosen: options.Options, sources: Sequence[port.Source]) -> int:
    """Print the low-level discovery of one kind."""
    shot = await collect.shoot(sources, chosen.limits)
    if any(read.reading is None for read in shot.reads):
        _complain(shot)
        return 1
    _print(discover.low_level(discover.names(shot.blocks).get(chosen.kind, ())))
    return 0


async def deliver(chosen: options.Options, sources: Sequence[port.Source]) -> int:
    """Print ms, -1 or 0 for one shot, and return the exit code that goes with it."""
    try:
        async with asyncio.timeout(chosen.within):
            verdict = await _deliver(chosen, sources)
    except TimeoutError:
        log.warning("no receipt within %g s", chosen.within)
        verdict = receipts.TIMED_OUT
    except errors.ConciergeError as error:
        log.warning("%s", error)
        verdict = receipts.FAILED
    _print(str(verdict))
    return _EXIT.get(verdict, 0)


def maintenance(chosen: options.Options) -> int:
    """Print whether it is on now. Exit code 1 when no courier answers."""
    try:
        _print(control.switch(chosen.runtime_dir, chosen.instance, chosen.switch))
    except errors.Temporary as error:
        log.warning("%s", error)
        return 1
    return 0


async def _deliver(chosen: options.Options, sources: Sequence[port.Source]) -> int:
    courier = run.Courier(chosen, sources)
    life = courier.life
    async with (
        bus.connect(chosen.nats, life.source.lstrip("/")) as link,
        link.listening(subjects.receipt(life.service, life.instance)) as heard,
    ):
        shot = await collect.shoot(sources, chosen.limits)
        _complain(shot)
        snapshot = courier.snapshot(shot)
        subject = subjects.snapshot(life.service, life.instance)
        await link.publish(life.pack(subject, snapshot, id=snapshot.id), chosen.within)
        if shot.elapsed <= receipts.FAILED:
            return shot.elapsed
        return await _receipt(heard, snapshot.id, shot.started)


async def _receipt(heard: AsyncIterator[bus.Delivery], snapshot_id: str, started: float) -> int:
    timed = receipts.Receipts(patience=float("inf"))
    timed.sent(snapshot_id, started)
    async for delivery in heard:
        timed.heard(delivery.read(messages.Receipt))
        verdict = timed.take()
        if verdict is not None:
            return verdict
    raise errors.Temporary("the connection to NATS has ended")


def _complain(shot: collect.Shot) -> None:
    clash = discover.clash(shot.blocks)
    if clash:
        log.warning("names: %s", clash)
    for report in shot.reports:
        if report.error:
            log.warning("source %s: %s", report.name, report.error)


def _print(text: str) -> None:
    """Print; one who has read enough (`| head`) is no error. Raise Permanent when it can't be written."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return
    except OSError as error:
        raise errors.Permanent(f"cannot print: {error.strerror}") from error
