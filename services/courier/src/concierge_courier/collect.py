"""One shot: every source at once, under one deadline, with one timestamp."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from concierge_courier import receipts
from concierge_courier.sources import port
from concierge_proto import errors, messages

log = logging.getLogger(__name__)


class Read(NamedTuple):
    """One source's part. `reading` is None when it failed."""

    report: messages.SourceReport
    reading: port.Reading | None


class Shot(NamedTuple):
    """Everything that one collection brought."""

    time_ns: int
    """Wall clock, when the first response started; when none did, of the start."""
    started: float
    """Monotonic seconds."""
    reads: tuple[Read, ...]

    @property
    def blocks(self) -> tuple[messages.Block, ...]:
        return tuple(block for read in self.reads if read.reading for block in read.reading.blocks)

    @property
    def reports(self) -> tuple[messages.SourceReport, ...]:
        return tuple(read.report for read in self.reads)

    @property
    def unusable(self) -> int:
        return sum(read.reading.unusable for read in self.reads if read.reading)

    @property
    def elapsed(self) -> int:
        """Milliseconds of the slowest source; -1 when one timed out, 0 when one failed."""
        return worst(report.elapsed_ms for report in self.reports)


async def shoot(sources: Sequence[port.Source], limits: port.Limits) -> Shot:
    """Read all sources concurrently. A source that fails is reported; nothing is raised."""
    started, wall = time.monotonic(), time.time_ns()
    marks: list[int] = []
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_read(source, limits, lambda: marks.append(time.time_ns())))
            for source in sources
        ]
    return Shot(marks[0] if marks else wall, started, tuple(task.result() for task in tasks))


async def _read(source: port.Source, limits: port.Limits, started: port.Started) -> Read:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(limits.patience):
            reading = await source.read(limits, started)
    except TimeoutError:
        return _failed(source, receipts.TIMED_OUT, f"no complete answer within {limits.patience:g} s")
    except errors.ConciergeError as error:
        return _failed(source, receipts.FAILED, str(error))
    except Exception as error:  # a mistake in one source takes neither the others nor the application down
        log.exception("source %s", source.name)
        return _failed(source, receipts.FAILED, f"{type(error).__name__}: {error}")
    elapsed = receipts.millis(time.monotonic() - begun)
    return Read(messages.SourceReport(name=source.name, elapsed_ms=elapsed), reading)


def _failed(source: port.Source, verdict: int, error: str) -> Read:
    return Read(messages.SourceReport(name=source.name, elapsed_ms=verdict, error=error), None)


def worst(elapsed: Iterable[int]) -> int:
    """Return -1 when one timed out, 0 when one failed, else the longest."""
    found = list(elapsed)
    if receipts.TIMED_OUT in found:
        return receipts.TIMED_OUT
    return receipts.FAILED if receipts.FAILED in found else max(found, default=receipts.FAILED)


def item(values: dict[str, messages.Value | None]) -> messages.Block:
    """Return metrics whose name is their whole key; what is None is absent."""
    present = {name: value for name, value in values.items() if value is not None}
    return messages.Block(
        kind="item", fields=("value",), names=tuple(present), values=tuple(present.values()), source="courier"
    )
