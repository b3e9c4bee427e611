"""The container itself: CPU, memory, processes, block I/O, network, filesystems, load.

    item        container.cpu.usage, container.memory.working_set, …; system.cpu.load[all,avg1]
    device      device[vda,read_bytes]
    interface   interface[eth0,in_bytes]
    filesystem  filesystem[/data,pused]

Bytes and seconds; counters only grow. What the kernel does not tell, and a limit that is not set, is absent.
"""

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from concierge_courier import troubles
from concierge_courier.sources import accounts, aside, cgroup, mounts, port
from concierge_proto import errors, messages

log = logging.getLogger(__name__)

_LOADS = ("system.cpu.load[all,avg1]", "system.cpu.load[all,avg5]", "system.cpu.load[all,avg15]")
"""As a Zabbix agent calls them. The kernel counts the whole machine here."""
_INTERFACE = ("bytes", "packets", "errors", "dropped")
_TRAFFIC = tuple(f"{way}_{what}" for way in ("in", "out") for what in _INTERFACE)
_NOBODYS = frozenset(
    ("lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0")
)
"""The kernel's own."""
_HALF = 0.5
"""Of the time that a reading has, for the filesystems."""


def source(name: str, location: str) -> port.Source:
    """`location` is another root, such as a machine's own mounted at /host; empty: this one."""
    return Container(name, Path(location or "/"))


class Container:
    """Reads a few small files of the kernel."""

    def __init__(self, name: str, root: Path, ask: mounts.Ask = os.statvfs) -> None:
        self.name = name
        self._root = root
        self._ask = ask
        self._groups: cgroup.Groups | None = None
        self._accounts = aside.Aside(f"source {name}")
        self._filesystems = aside.Aside(f"source {name} filesystems")
        self._trouble = troubles.Trouble(log, f"source {name}")

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        started()
        blocks = await self._accounts.run(self._read, lambda: None)
        return port.Reading((*blocks, *await self._sizes(limits.patience * _HALF)))

    async def _sizes(self, patience: float) -> tuple[messages.Block, ...]:
        """A filesystem whose server is gone hangs for ever: that takes nothing but the filesystems away."""
        try:
            async with asyncio.timeout(patience):
                found = await self._filesystems.run(lambda: mounts.sizes(self._root, self._ask), lambda: None)
        except (TimeoutError, OSError) as error:
            reason = getattr(error, "strerror", None) or f"one does not answer within {patience:g} s"
            self._trouble.failed(f"no filesystems are reported: {reason}")
            return ()
        self._trouble.fine()
        return tuple(self._mine(block) for block in accounts.table("filesystem", mounts.FIELDS, found))

    def _read(self) -> tuple[messages.Block, ...]:
        try:
            self._groups = self._groups or cgroup.find(self._root)
        except OSError as error:
            raise errors.Temporary(f"cannot find the control groups: {error}") from error
        io, devices = accounts.io(self._groups, self._root)
        items = {
            **load(self._root),
            **accounts.cpu(self._groups),
            **accounts.memory(self._groups),
            **accounts.pids(self._groups),
            **io,
        }
        present = {name: {"value": value} for name, value in items.items() if value is not None}
        tables = (
            *accounts.table("item", ("value",), present),
            *devices,
            *accounts.table("interface", _TRAFFIC, traffic(self._root)),
        )
        return tuple(self._mine(block) for block in tables)

    def _mine(self, block: messages.Block) -> messages.Block:
        return messages.Block(
            kind=block.kind, fields=block.fields, names=block.names, values=block.values, source=self.name
        )


def load(root: Path) -> accounts.Items:
    """Return the load averages of the machine."""
    with contextlib.suppress(OSError, ValueError):
        words = (root / "proc/loadavg").read_text("ascii").split()
        return dict(zip(_LOADS, map(float, words[:3]), strict=True))
    return {}


def traffic(root: Path) -> dict[str, dict[str, messages.Value | None]]:
    """Return interface to what came in and went out, since it is there."""
    try:
        lines = (root / "proc/net/dev").read_text("ascii", "replace").splitlines()[2:]
    except OSError:
        return {}
    found: dict[str, dict[str, messages.Value | None]] = {}
    for line in lines:
        name, _, numbers = line.rpartition(":")
        words = numbers.split()
        if name.strip() not in _NOBODYS:
            found[name.strip()] = dict(
                zip(_TRAFFIC, map(cgroup.whole, [*words[:4], *words[8:12]]), strict=False)
            )
    return found
