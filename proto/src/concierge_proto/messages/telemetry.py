"""What a courier says: snapshot, discovery, heartbeat; and what it hears: the receipt."""

from collections.abc import Iterator

import msgspec

Value = int | float | str
"""A measured value. Absent is None beside it, never 0."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """All metrics of one kind from one source, as a table of names by fields.

    A block of kind `timer` with fields (`count`, `p95`) and names (`a`, `b`) holds the values
    (a.count, a.p95, b.count, b.p95). The kind `item` is for metrics whose name is their whole key,
    such as `courier.elapsed`; its only field is `value`.
    """

    kind: str
    fields: tuple[str, ...]
    names: tuple[str, ...]
    values: tuple[Value | None, ...]
    """Row by row: `len(names) * len(fields)` values; None where a metric lacks that field."""
    source: str = ""
    """The name of the source that was read."""

    def __post_init__(self) -> None:
        wanted = len(self.names) * len(self.fields)
        if len(self.values) != wanted:
            raise ValueError(f"a block of {wanted} cells holds {len(self.values)} values")

    def cells(self) -> Iterator[tuple[str, str, Value]]:
        """Yield (name, field, value) for every value that is present."""
        width = len(self.fields)
        for row, name in enumerate(self.names):
            for column, field in enumerate(self.fields):
                value = self.values[row * width + column]
                if value is not None:
                    yield name, field, value


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the reading of one source went."""

    name: str
    elapsed_ms: int
    """Milliseconds; -1 timed out, 0 failed."""
    error: str = ""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """ALL metrics of one instance, read in one shot, with ONE timestamp that no retry changes."""

    service: str
    instance: str
    time_ns: int
    """Wall clock in ns since 1970, taken once, when the first response started."""
    seq: int
    """Counts the snapshots of this boot, from 1."""
    boot: str
    """Identifies one life of the courier."""
    interval_s: float = 0.0
    """How often this courier collects; readers judge freshness by it. 0: once."""
    blocks: tuple[Block, ...] = ()
    sources: tuple[SourceReport, ...] = ()

    @property
    def id(self) -> str:
        """The same for every retry of the same snapshot."""
        return f"{self.instance}-{self.boot}-{self.seq}"

    @property
    def total(self) -> int:
        """How many values it carries."""
        return sum(1 for block in self.blocks for value in block.values if value is not None)


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What can be measured: per kind of metric the FULL list of names (Zabbix low-level discovery)."""

    service: str
    instance: str
    time_ns: int
    boot: str
    kinds: dict[str, tuple[str, ...]]
    """Kind to names, each sorted and without doubles. The kind `item` is not discovered."""
    facts: dict[str, str] = {}
    """About the instance: image, courier version, host."""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an instance: running, or stopped and why."""

    service: str
    instance: str
    time_ns: int
    boot: str
    state: int
    """1 running, 0 stopped."""
    reason: str = ""
    """Why it stopped: `exited`, `stopped` (told to, and did), `killed` (told to, and did not), `oom`,
    `signal SIGSEGV`, `pre-start: exited`, …; empty while it runs."""
    exit_code: int | None = None
    interval_s: float = 10.0
    version: str = ""
    health: str = ""
    """`passing`, `failing`; empty: not judged."""
    maintenance: bool = False
    """An operator works on it: its health is not judged."""


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    """What a courier answers when it is asked whether it lives."""

    service: str
    instance: str
    boot: str
    state: int
    time_ns: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a snapshot at a backend."""

    service: str
    instance: str
    snapshot_id: str
    backend: str
    primary: bool
    """True for the first of `monitoring.backends`: the one a courier times."""
    processed: int
    """Accepted by the backend."""
    failed: int
    """The others: what is parked, undiscovered and refused, where a backend can tell them apart."""
    total: int
    elapsed_ms: int
    """Milliseconds that the backend took to answer."""
    detail: str = ""
    """Why values failed, in words."""
    parked: int = 0
    """Of `failed`: kept, and sent again once the backend has a place for them."""
    undiscovered: int = 0
    """Of `failed`: given up, since the backend made no place for them in time."""
    refused: int = 0
    """Of `failed`: what the backend cannot store, or would not."""
