"""The embedded monitoring system: it remembers, compares with the thresholds, and calls the gateway."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import msgspec

from concierge_backends import aggregate, port
from concierge_backends.embedded import caller, history, triggers, webhook
from concierge_proto import errors, identity, messages, settings, signature

SOURCE = "embedded"
"""The gateway's source that it calls as."""


class _Watched(NamedTuple):
    service: str
    threshold: settings.Threshold


class Backend:
    """Everything lives in memory; the ids of events are unique to this life."""

    name = "embedded"

    def __init__(self, config: settings.Settings, tell: Callable[[str, bytes], None]) -> None:
        self.history = history.History()
        self._tell = tell
        self._life = identity.mint()
        self._numbers = itertools.count(1)
        self._states: dict[_Watched, triggers.State] = {
            _Watched(name, threshold): triggers.State()
            for name, service in config.services.items()
            for threshold in service.triggers
        }

    async def snapshot(self, snapshot: messages.Snapshot) -> port.Delivered:
        self.history.snapshot(snapshot)
        return port.Delivered(snapshot.total, 0, snapshot.total)

    async def discovery(self, discovery: messages.Discovery) -> None:
        self.history.discovery(discovery)

    async def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        self.history.heartbeat(heartbeat)

    async def aggregates(self, aggregates: port.Aggregates) -> None:
        """Remember, and look at every threshold of the service."""
        self.history.moment(aggregates)
        for watched in [one for one in self._states if one.service == aggregates.service]:
            before = self._states[watched]
            after, change = triggers.evaluate(watched.threshold, before, aggregates, self._new_id)
            self._states[watched] = after
            if change:
                self._tell(change.problem.event_id, _body(watched, change))

    async def instances(self) -> list[port.Instance]:
        return []

    async def report(self, report: port.Report) -> None:
        self.history.report(report)

    async def problems(self, source: str) -> list[messages.Trigger]:
        now = datetime.now(UTC)
        bodies = [
            _body(watched, triggers.Change("problem", state.problem))
            for watched, state in self._states.items()
            if state.problem
        ]
        return [found for body in bodies for found in webhook.read(body, source, now)]

    def _new_id(self) -> str:
        return f"{self._life}-{next(self._numbers)}"


def _body(watched: _Watched, change: triggers.Change) -> bytes:
    problem, threshold = change.problem, watched.threshold
    return msgspec.json.encode(
        webhook.Webhook(
            event_id=problem.event_id,
            status=change.status,
            service=watched.service,
            name=threshold.name,
            severity=threshold.severity,
            tags={"metric": threshold.metric, "of": threshold.of},
            value=problem.value,
            action=threshold.action,
            step=_moment(problem.stepped_ns).isoformat() if change.status == "problem" else "",
            started_at=_moment(problem.started_ns),
        ),
    )


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / aggregate.NANOSECONDS, UTC)


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - the registry's word
    config: settings.Settings,
    webhook_secret: str | None = None,
    gateway_url: str | None = None,
) -> AsyncIterator[Backend]:
    """Open it, with its caller.

    Args:
        config: Thresholds, and where the gateway is.
        webhook_secret: Signs the calls; None: the first of `gateway.sources.embedded.secret_file`.
        gateway_url: Base of the gateway; None: as the settings say.

    Raises:
        Permanent: There are thresholds, and no secret to call the gateway with; or its address is no URL.
    """
    base = gateway_url or config.gateway.base_url
    key = _key(config, webhook_secret)
    async with httpx.AsyncClient(trust_env=False, verify=_trusted(config.gateway)) as client:
        calls = caller.Caller(client, _hook(base), key)
        task = asyncio.create_task(calls.run())
        try:
            yield Backend(config, calls.put)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _trusted(gateway: settings.Gateway) -> ssl.SSLContext | bool:
    """Return what the gateway's certificate is held against: itself, whatever name it bears."""
    if not gateway.tls_cert_file:
        return True
    if gateway.tls_client_ca_file:
        raise errors.Permanent(
            "monitoring.backends: embedded has no certificate to call the gateway with: "
            "leave gateway.tls_client_ca_file out, or take another backend"
        )
    try:
        found = ssl.create_default_context(cafile=gateway.tls_cert_file)
    except (OSError, ssl.SSLError) as error:
        raise errors.Permanent(f"gateway.tls_cert_file: {gateway.tls_cert_file}: {error}") from error
    found.check_hostname = False
    found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return found


def _hook(base: str) -> httpx.URL:
    try:
        return httpx.URL(f"{base.rstrip('/')}/webhooks/{SOURCE}")
    except httpx.InvalidURL as error:
        raise errors.Permanent(f"gateway.public_url = {base!r}: {error}") from error


def _key(config: settings.Settings, secret: str | None) -> bytes:
    if secret:
        return signature.key_of(secret)
    source = config.gateway.sources.get(SOURCE)
    if source and source.secret_file:
        secrets = settings.read_secret(source.secret_file, f"gateway.sources.{SOURCE}.secret_file")
        return signature.key_of(secrets[0])
    if any(service.triggers for service in config.services.values()):
        raise errors.Permanent(
            f"the embedded backend calls the gateway: add [gateway.sources.{SOURCE}] "
            'with kind = "generic" and a secret_file',
        )
    return b""
