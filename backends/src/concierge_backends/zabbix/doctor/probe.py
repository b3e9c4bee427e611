"""What only trying tells.

How soon a new item takes values, whether doubles are removed, whose clock is off, and whether a value becomes a
webhook that the gateway believes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from concierge_backends.zabbix import api, framing, nodes, packets, secure
from concierge_backends.zabbix.doctor import bench, finding
from concierge_backends.zabbix.doctor.finding import Finding, Patient

SLOW = 10.0
"""Seconds until a new item takes values, as 7.0 is shipped; 6.0 is shipped with 60."""
SKEW, MOST_SKEW = 2.0, 30.0
"""Seconds between two clocks: worth a word; `nodata()` and the freshness of instances go wrong."""
PAUSE = 0.2
AGAIN = 8.0
"""Seconds without a webhook after which the value fires once more: it may have met the server in the middle."""
LOW, STAMPED, HIGH = 0.0, 0.5, 2.0
"""Values: nothing, the one to which Zabbix gives the time, the one that fires."""

T = TypeVar("T")


class Stamp(NamedTuple):
    """A value that Zabbix was to give its own time, and ours when it was sent."""

    rows: list[dict[str, Any]]
    ours: float


async def examine(door: api.Api, patient: Patient) -> list[Finding]:
    """Try it on a bench. Raises Temporary, Permanent."""
    own = patient.config.monitoring.zabbix
    line = nodes.Nodes(own.servers, own.timeout, secure.context(own))
    async with bench.made(door, patient) as made:
        delay, seconds = await _delay(line, made, patient)
        if seconds is None:
            return [delay]
        stamp = await _stamp(door, line, made, patient)
        found = [delay, _doubles(stamp), _clock(stamp)]
        return found if patient.cluster else [*found, await _trip(door, line, made, patient)]


async def _delay(line: nodes.Nodes, made: bench.Bench, patient: Patient) -> tuple[Finding, float | None]:
    check, began = "configuration delay", time.monotonic()

    async def taken() -> bool:
        return await _send(line, made, LOW, patient.clock(), made.mark) > 0

    if not await _until(taken, patient.patience):
        detail = f"a new item took no value within {patient.patience:g} s"
        remedy = (
            "set CacheUpdateFrequency=10 in zabbix_server.conf (6.0 is shipped with 60), "
            f"or see whether {patient.section}.servers is the server behind api_url"
        )
        return finding.broken(check, detail, remedy), None
    seconds = time.monotonic() - began
    detail = f"a new item takes values after {seconds:.1f} s"
    if seconds > SLOW:
        return finding.warning(check, detail, "set CacheUpdateFrequency=10 in zabbix_server.conf"), seconds
    return finding.ok(check, detail), seconds


async def _stamp(door: api.Api, line: nodes.Nodes, made: bench.Bench, patient: Patient) -> Stamp:
    """Send one value twice at one time, then one without a time; return the history once all are in it."""
    now = patient.clock()
    for value in (LOW, LOW + 0.1):
        await _send(line, made, value, now)
    before = patient.clock()
    await _send(line, made, STAMPED, None)
    ours = (before + patient.clock()) / 2

    async def stored() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await door.call(
            "history.get", {"itemids": [made.item], "history": 0, "output": "extend"}
        )
        return found if any(float(row["value"]) == STAMPED for row in found) else []

    return Stamp(await _until(stored, patient.patience) or [], ours)


def _doubles(stamp: Stamp) -> Finding:
    check = "history tables"
    if not stamp.rows:
        return finding.broken(
            check, "no value came into the history", "look into the server's log for its database"
        )
    times = [(row["clock"], row["ns"]) for row in stamp.rows]
    if len(set(times)) < len(times):
        remedy = (
            "give the history tables their primary key: see history_pk_prepare.sql of Zabbix's upgrade notes"
        )
        return finding.warning(check, "a value that is sent twice is stored twice", remedy)
    return finding.ok(check, "have a primary key: what is sent twice is stored once")


def _clock(stamp: Stamp) -> Finding:
    check = "clocks"
    theirs = [
        float(row["clock"]) + float(row["ns"]) / 1e9 for row in stamp.rows if float(row["value"]) == STAMPED
    ]
    if not theirs:
        return finding.warning(check, "not compared", "")
    ahead = theirs[0] - stamp.ours
    detail = f"Zabbix's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    remedy = "let NTP set both"
    if abs(ahead) > MOST_SKEW:
        return finding.broken(check, f"{detail}: fresh values look old, or signatures do", remedy)
    return finding.warning(check, detail, remedy) if abs(ahead) > SKEW else finding.ok(check, detail)


async def _trip(door: api.Api, line: nodes.Nodes, made: bench.Bench, patient: Patient) -> Finding:
    """Let a value fire, and wait for what became of its webhook."""
    check, began = "round trip", time.monotonic()
    if not made.action:
        return finding.broken(check, "not tried: there is no media type, or no user", "see above")
    fired = -AGAIN

    async def told() -> dict[str, Any] | None:
        nonlocal fired
        if time.monotonic() - fired >= AGAIN:
            fired = time.monotonic()
            for value in (LOW, HIGH):
                await _send(line, made, value, patient.clock())
        found = await door.call("alert.get", {"actionids": [made.action], "output": ["status", "error"]})
        return next((one for one in found if one["status"] == "1" or one["error"]), None)

    alert = await _until(told, patient.patience)
    if not alert:
        detail = f"no webhook within {patient.patience:g} s of a value that fires"
        return finding.broken(
            check, detail, "see above; and StartEscalators, StartAlerters in zabbix_server.conf"
        )
    if alert["status"] == "1":
        seconds = time.monotonic() - began
        return finding.ok(check, f"value, trigger, signed webhook, answer 202: {seconds:.1f} s")
    return finding.broken(check, words(alert["error"]), _remedy(alert["error"], patient))


def words(error: str) -> str:
    """Return what the script said, without where in it."""
    return " ".join(error.partition("\n    at ")[0].split())[:300]


def _remedy(error: str, patient: Patient) -> str:
    if "answered 401" in error:
        return "Zabbix signs with another secret than the gateway's secret_file holds: run `concierge zabbix apply`"
    if "Concierge answered" in error:
        return "look into the gateway's log"
    return f"see that the gateway runs, and that the Zabbix server reaches {patient.hook}"


async def _send(line: nodes.Nodes, made: bench.Bench, value: float, at: float | None, key: str = "") -> int:
    """Send one value, with a time or without; return how many were taken."""
    row: dict[str, object] = {"host": made.host, "key": key or made.key, "value": str(value)}
    if at is not None:
        row |= {"clock": int(at), "ns": int(at % 1 * 1e9)}
    wire = framing.pack(msgspec.json.encode({"request": "sender data", "data": [row]}))
    return packets.processed(packets.answer(await line.exchange(line.servers, wire)))


async def _until(question: Callable[[], Awaitable[T]], seconds: float) -> T | None:
    """Ask until the answer is not empty; return None when the time is over."""
    end = time.monotonic() + seconds
    while not (answer := await question()):
        if time.monotonic() > end:
            return None
        await asyncio.sleep(PAUSE)
    return answer
