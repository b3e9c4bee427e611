"""34,000 values of one instance: as a snapshot, as ready-made packets, as zabbix_sender's file, as zabbix-utils' items."""

import random
import time
from collections.abc import Iterator

from benchmarks.lab import documents
from concierge_backends.zabbix import framing, packets
from concierge_proto import messages

BOOT = "bench"
NAMES = tuple(f"com.example.shop.Service{number:04}.call" for number in range(documents.NAMES))
PACKET = 5000
"""Values of a ready-made packet: as many as the forwarder puts into one of its own."""


def discovery(service: str, instance: str) -> messages.Discovery:
    return messages.Discovery(
        service=service, instance=instance, time_ns=time.time_ns(), boot=BOOT, kinds={"timer": NAMES}
    )


def snapshots(service: str, instance: str) -> Iterator[messages.Snapshot]:
    """Yield snapshots without end, each with other numbers, of the moment at which it is asked for."""
    chance, seq = random.Random(2017), 0  # noqa: S311 - not a secret
    while True:
        seq += 1
        yield messages.Snapshot(
            service=service,
            instance=instance,
            time_ns=time.time_ns(),
            seq=seq,
            boot=BOOT,
            interval_s=1,
            blocks=(_block("timer", documents.TIMER, chance), _block("counter", ("count",), chance)),
        )


def _block(kind: str, fields: tuple[str, ...], chance: random.Random) -> messages.Block:
    values = [
        chance.randrange(10**6) if field == "count" else chance.random() for _ in NAMES for field in fields
    ]
    return messages.Block(kind=kind, fields=fields, names=NAMES, values=tuple(values))


def wires(host: str, snapshot: messages.Snapshot) -> list[bytes]:
    """Return the packets that carry it, to the last byte."""
    rows, _ = packets.rows(host, snapshot)
    batches = [rows[at : at + PACKET] for at in range(0, len(rows), PACKET)]
    return [framing.pack(packets.values(batch)) for batch in batches]


def lines(host: str, snapshot: messages.Snapshot) -> str:
    """Return the file that zabbix_sender reads, with times."""
    rows, _ = packets.rows(host, snapshot)
    return "".join(f"{row.host} {row.key} {row.clock} {row.ns} {row.value}\n" for row in rows)
