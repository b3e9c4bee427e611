"""What is said to the trapper port, and what it answers. Pure."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from concierge_backends.zabbix import keys
from concierge_proto import errors, messages

EPOCH = 1_000_000_000
"""Seconds. No value is older than 2001: clock 0 hangs the history syncer of 6.0."""
AHEAD = 3600
"""Seconds that a value may lie in the future; it would be the latest one for that long."""
METADATA_LIMIT = 255
"""Characters of host metadata in 6.0."""

_COUNTS = re.compile(r"processed: (\d+); failed: (\d+); total: (\d+)")
_AWAY = re.compile(r"paused|shutdown|shutting down", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")


class Row(msgspec.Struct, frozen=True, gc=False):
    """One value, with its fields in the order in which zabbix_sender writes them."""

    host: str
    key: str
    value: str
    clock: int
    ns: int


class Redirect(NamedTuple):
    """The host belongs to another proxy of a group."""

    address: str
    """Of that proxy; "" where this one cannot tell, since it hears no server: any other may."""


def sendable(time_ns: int, now: float) -> bool:
    """Whether Zabbix may be given a value of this time."""
    return EPOCH <= time_ns // 1_000_000_000 <= now + AHEAD


def row(host: str, key: str, value: messages.Value, time_ns: int) -> Row:
    return Row(host, key, str(value), time_ns // 1_000_000_000, time_ns % 1_000_000_000)


def rows(host: str, snapshot: messages.Snapshot) -> tuple[list[Row], Counter[str]]:
    """Return the values that Zabbix can store, and how many it can't, by reason.

    It would count them as processed and drop them, and the item would become unsupported.
    """
    refused: Counter[str] = Counter()
    clock, ns = divmod(snapshot.time_ns, 1_000_000_000)
    found: list[Row] = []
    for block in snapshot.blocks:
        table = keys.table(block.kind, block.fields, block.names)
        for key, value in zip(table, block.values, strict=True):
            if value is None:
                continue
            odd = isinstance(value, str) or not math.isfinite(value)
            why = (odd and _unfit(block.kind, value)) or (not key and "a name that Zabbix cannot quote")
            if why:
                refused[why] += 1
            else:
                found.append(Row(host, key, str(value), clock, ns))
    return found, refused


def _unfit(kind: str, value: messages.Value) -> str:
    if not isinstance(value, str):
        return "not a finite number"
    return "" if kind == keys.ITEM and "\x00" not in value else "text where a number belongs"


def values(batch: Iterable[Row]) -> bytes:
    return msgspec.json.encode({"request": "sender data", "data": list(batch)})


def registration(host: str, metadata: str) -> bytes:
    """An agent's request for its active checks: it registers a host that Zabbix does not know."""
    return msgspec.json.encode({"request": "active checks", "host": host, "host_metadata": metadata})


def alive(host: str, seconds: int) -> bytes:
    """An agent's heartbeat; only 7.0 knows it, and it is not answered."""
    return msgspec.json.encode(
        {
            "request": "active check heartbeat",
            "host": host,
            "heartbeat_freq": seconds,
            "version": "7.0.0",
            "variant": 2,
        }
    )


def metadata(**facts: str) -> str:
    """Return `concierge service=… courier=…`, cut where 6.0 would refuse it; blanks in a fact become `_`."""
    return " ".join(["concierge", *_pairs(facts)])[:METADATA_LIMIT]


def _pairs(facts: dict[str, str]) -> Iterator[str]:
    for name, fact in facts.items():
        if fact:
            yield f"{name}={_BLANKS.sub('_', fact)}"


def answer(body: bytes) -> dict[str, Any]:
    """Return a reply; raise Temporary for what is none, and while the server does not take values."""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise errors.Temporary(f"Zabbix answered with something else than JSON: {body[:60]!r}", 5) from error
    if found.get("response") != "success" and _AWAY.search(str(found.get("info", ""))):
        raise errors.Temporary(f"Zabbix takes no values now: {found['info']}", 5)
    return found


def redirect(reply: dict[str, Any]) -> Redirect | None:
    found = reply.get("redirect")
    if not isinstance(found, dict):
        return None
    if found.get("reset"):
        return Redirect("")
    return Redirect(found["address"]) if isinstance(found.get("address"), str) else None


def processed(reply: dict[str, Any]) -> int:
    """Return how many values the server took; raise Permanent for a refusal, Temporary for an odd answer."""
    if reply.get("response") != "success":
        raise errors.Permanent(f"Zabbix refused a packet: {reply.get('info', reply)}")
    counts = _COUNTS.search(str(reply.get("info", "")))
    if not counts:
        raise errors.Temporary(f"Zabbix did not say what became of the values: {reply.get('info')!r}", 5)
    return int(counts[1])
