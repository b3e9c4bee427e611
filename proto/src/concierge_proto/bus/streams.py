"""What NATS keeps, how much and for how long; made idempotently, never loosened."""

from typing import Any

import nats.js.client
import nats.js.errors
from nats.js import api

from concierge_proto import errors, subjects
from concierge_proto.bus import failures
from concierge_proto.bus.connect import Bus

_DAY = 86_400.0

STREAMS: dict[str, api.StreamConfig] = {
    "TELEMETRY": api.StreamConfig(
        description="snapshots and discoveries, on their way to the backends",
        subjects=[f"{subjects.ROOT}.snapshot.>", f"{subjects.ROOT}.discovery.>"],
        max_age=3600.0,
        max_bytes=1024**3,
        duplicate_window=120.0,
    ),
    "PRESENCE": api.StreamConfig(
        description="the last heartbeat of each instance",
        subjects=[f"{subjects.ROOT}.heartbeat.>"],
        max_age=30.0,
        max_msgs_per_subject=1,
        allow_msg_ttl=True,
        subject_delete_marker_ttl=60.0,
        duplicate_window=30.0,
    ),
    "COMMANDS": api.StreamConfig(
        description="commands that no scheduler has taken in yet",
        subjects=[f"{subjects.ROOT}.command.>"],
        retention=api.RetentionPolicy.WORK_QUEUE,
        discard=api.DiscardPolicy.NEW,
        discard_new_per_subject=True,
        max_msgs_per_subject=100,
        max_age=_DAY,
        duplicate_window=600.0,
    ),
    "EVENTS": api.StreamConfig(
        description="the audit log: triggers, decisions, outcomes",
        subjects=[f"{subjects.ROOT}.event.>"],
        max_age=365 * _DAY,
        deny_delete=True,
        deny_purge=True,
        duplicate_window=600.0,
    ),
}

BUCKETS: dict[str, float] = {
    "concierge_services": 0.0,
    "concierge_seen": 7 * _DAY,
    "concierge_leases": 8.0,
    "concierge_found": 0.0,
}
"""Bucket to seconds until a value is gone; 0: never. No limit markers: `create` fails on them."""

_LIMITS = ("max_age", "max_bytes", "max_msgs", "max_msgs_per_subject")


async def provision(bus: Bus) -> None:
    """Make every stream and bucket that is missing, and leave alone what is wider or stricter than ours."""
    js = bus._js  # noqa: SLF001 - one package
    for name, config in STREAMS.items():
        wanted = config.evolve(name=name, storage=api.StorageType.FILE)
        with failures.translated(f"provision stream {name}"):
            await _make(js, wanted)
    for name, ttl in BUCKETS.items():
        with failures.translated(f"provision bucket {name}"):
            await _make_bucket(js, name, ttl)


async def _make(js: nats.js.client.JetStreamContext, wanted: api.StreamConfig) -> None:
    try:
        await js.add_stream(wanted)
    except nats.js.errors.APIError as error:
        if error.err_code != failures.EXISTS_DIFFERENTLY:
            raise
        found = (await js.stream_info(wanted.name or "")).config
        merged = merge(found, wanted)
        if merged != found:
            await js.update_stream(merged)


def merge(found: api.StreamConfig, wanted: api.StreamConfig) -> api.StreamConfig:
    """Return the configuration that keeps what exists and adds what we need.

    The larger limit stays, a deny flag stays, a subject stays. Raises Permanent where that can't be:
    another storage, another retention, another discard policy.
    """
    for field in ("storage", "retention", "discard"):
        have, need = getattr(found, field), getattr(wanted, field)
        if need is not None and have != need:
            raise errors.Permanent(
                f"stream {wanted.name} exists with {field} = {have}, and Concierge needs {need}: "
                "it belongs to something else, or was made by hand; rename or remove it",
            )
    changes: dict[str, Any] = {
        limit: _wider(getattr(found, limit), getattr(wanted, limit)) for limit in _LIMITS
    }
    changes["subjects"] = sorted({*(found.subjects or ()), *(wanted.subjects or ())})
    changes["deny_delete"] = found.deny_delete or wanted.deny_delete
    changes["deny_purge"] = found.deny_purge or wanted.deny_purge
    changes["duplicate_window"] = max(found.duplicate_window, wanted.duplicate_window)
    merged = found.evolve(**changes)
    return found if _same(found, merged) else merged


def _wider(have: float | None, need: float | None) -> float | None:
    if not have or have < 0 or not need or need < 0:
        return have if not have or have < 0 else need
    return max(have, need)


def _same(found: api.StreamConfig, merged: api.StreamConfig) -> bool:
    return found.evolve(subjects=sorted(found.subjects or ())) == merged


async def _make_bucket(js: nats.js.client.JetStreamContext, name: str, ttl: float) -> None:
    try:
        await js.create_key_value(bucket=name, history=1, ttl=ttl or None, storage=api.StorageType.FILE)
    except nats.js.errors.APIError as error:
        if error.err_code != failures.EXISTS_DIFFERENTLY:
            raise
        found = (await js.stream_info(f"KV_{name}")).config
        if (found.max_age or 0.0) != ttl:
            raise errors.Permanent(
                f"bucket {name} exists with a time to live of {found.max_age or 0:g} s, and Concierge needs {ttl:g} s: "
                "remove it when nothing of Concierge runs",
            ) from error
