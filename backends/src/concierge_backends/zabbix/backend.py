"""The way out: snapshots, discovery and heartbeats of instances, and the aggregates of services."""

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from concierge_backends import port
from concierge_backends.zabbix import (
    api,
    comments,
    hosts,
    keys,
    names,
    outcomes,
    packets,
    parked,
    problems,
    trapper,
)
from concierge_proto import errors, messages, settings

KEEP_DISCOVERY = 3600.0
"""Seconds that discovery waits for its host: without it no value of the host finds an item."""
QUIET = 60.0
"""Seconds between two warnings about the same host."""

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def open(config: settings.Settings) -> AsyncIterator["Backend"]:  # noqa: A001 - zabbix.backend.open
    """Yield the backend; with `api_url` and a token it also knows open problems. Raises Permanent."""
    own = config.monitoring.zabbix
    door = trapper.Trapper(own.servers, own.timeout, trapper.tls(own.ca_file, own.cert_file, own.key_file))
    async with contextlib.AsyncExitStack() as stack:
        backend = Backend(config, door, stack)
        stack.push_async_callback(backend.close)
        if own.api_token_file:
            greeting = asyncio.create_task(backend.greet(), name="zabbix api")
            stack.callback(greeting.cancel)
        yield backend


class Backend:
    """`port.Backend` and `port.Problems` on a Zabbix server."""

    name = "zabbix"

    def __init__(
        self, config: settings.Settings, door: trapper.Trapper, stack: contextlib.AsyncExitStack
    ) -> None:
        self._config = config
        self._trapper = door
        self._stack = stack
        self._api: api.Api | None = None
        self._api_lock = asyncio.Lock()
        self._hosts = hosts.Hosts()
        self._parked = parked.Parked(self._send)
        self._tracked = {name: names.tracked(service) for name, service in config.services.items()}
        self._warned: dict[str, float] = {}

    async def close(self) -> None:
        await self._parked.close()

    async def greet(self) -> None:
        """Log in to the API, and try until it is there: its version says what the server understands."""
        while self._api is None:
            try:
                await self._door()
            except errors.Temporary as error:
                await asyncio.sleep(error.delay)
            except errors.Permanent as error:
                _log.warning("no Zabbix API: %s", error)
                return

    async def snapshot(self, snapshot: messages.Snapshot) -> port.Delivered:
        """Send all values of an instance with its one time; those without an item yet are sent once more."""
        total = snapshot.total
        if not packets.sendable(snapshot.time_ns, time.time()):
            return port.Delivered(0, total, total, f"its time, {snapshot.time_ns} ns, is no time of now")
        host = self._host(snapshot)
        rows, refused = packets.rows(host.name, snapshot)
        taken = await self._deliver(host, "snapshot", rows) if rows else 0
        return port.Delivered(taken, total - taken, total, self._detail(host, len(rows) - taken, refused))

    async def discovery(self, discovery: messages.Discovery) -> None:
        """Announce the instance, and give each rule its full list of names."""
        host = self._host(discovery)
        host.courier = discovery.facts.get("courier", host.courier)
        rows = [
            packets.row(host.name, keys.rule(kind), keys.discovered(found), discovery.time_ns)
            for kind, found in discovery.kinds.items()
        ]
        host.grow(time.monotonic())
        await self._deliver(host, "discovery", rows)

    async def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        """Send the state of an instance, and on 7.0 what an agent sends to be called available."""
        host = self._host(heartbeat)
        host.courier = heartbeat.version or host.courier
        rows = [
            packets.row(host.name, names.STATE, heartbeat.state, heartbeat.time_ns),
            packets.row(host.name, names.REASON, _reason(heartbeat), heartbeat.time_ns),
        ]
        await self._deliver(host, "state", rows)
        if heartbeat.state and self._api and self._api.seven:
            with contextlib.suppress(errors.Temporary):
                await self._trapper.alive(host.name, math.ceil(heartbeat.interval_s))

    async def aggregates(self, aggregates: port.Aggregates) -> None:
        """Send what the service's host has items for."""
        host = names.service_host(self._config, aggregates.service)
        values = names.measured(aggregates, self._tracked.get(aggregates.service, ()))
        await self._tell(
            host, [packets.row(host, key, value, aggregates.time_ns) for key, value in values.items()]
        )

    async def report(self, report: port.Report) -> None:
        """Give the service's host its values, and the problem that asked for it a comment."""
        if report.event.service in self._config.services:
            host = names.service_host(self._config, report.event.service)
            await self._tell(host, outcomes.rows(host, report))
        event_id, said = comments.about(report, self._config), comments.comment(report)
        if event_id and said and self._config.monitoring.zabbix.api_token_file:
            await comments.write(await self._door(), event_id, said)

    async def problems(self, source: str) -> list[messages.Trigger]:
        """Return what is open now; raise Permanent without an API."""
        return await problems.read(await self._door(), source, datetime.now(UTC), self._config)

    async def _tell(self, host: str, rows: Sequence[packets.Row]) -> None:
        """Send values of a service's host; `apply` has made an item for each."""
        taken = await self._trapper.deliver(host, rows)
        if taken < len(rows):
            self._warn(host, f"{len(rows) - taken} of {len(rows)} values have no item")

    async def _door(self) -> api.Api:
        async with self._api_lock:
            if self._api is None:
                own = self._config.monitoring.zabbix
                if not own.api_token_file:
                    raise errors.Permanent("monitoring.zabbix: open problems need api_url and api_token_file")
                token = settings.read_secret(own.api_token_file, "monitoring.zabbix.api_token_file")[0]
                session = api.connect(own.api_url, api.Login(token=token), own.ca_file)
                self._api = await self._stack.enter_async_context(session)
            return self._api

    def _host(self, message: messages.Snapshot | messages.Discovery | messages.Heartbeat) -> hosts.Host:
        name = names.instance_host(self._config, message.service, message.instance)
        host = self._hosts.get(name, message.service)
        if message.boot != host.boot:
            host.boot, host.tries = message.boot, 0
        return host

    async def _deliver(self, host: hosts.Host, slot: str, rows: Sequence[packets.Row]) -> int:
        """Send rows; announce a host that is new, and park what a young one missed."""
        async with host.lock:
            if not host.tries:
                await self._announce(host)
            taken = await self._send(host, rows)
            if taken == len(rows):
                self._parked.forget(host, slot)
            else:
                self._miss(host, slot, rows)
            return taken

    async def _send(self, host: hosts.Host, rows: Sequence[packets.Row]) -> int:
        """Send rows; a host that takes none of them is announced, again and again: it may be gone."""
        taken = await self._trapper.deliver(host.name, rows)
        if taken:
            host.accepted()
        elif host.due(time.monotonic()):
            await self._announce(host)
        return taken

    def _miss(self, host: hosts.Host, slot: str, rows: Sequence[packets.Row]) -> None:
        now = time.monotonic()
        if slot == "discovery":
            self._parked.keep(host, slot, rows, now + KEEP_DISCOVERY)
        elif now < host.young_until:
            self._parked.keep(host, slot, rows, host.young_until)

    async def _announce(self, host: hosts.Host) -> None:
        """Register: a changed metadata text is acted upon at once, the same one not for two minutes (7.0)."""
        again = str(host.tries) if host.tries else ""
        metadata = packets.metadata(service=host.service, courier=host.courier, boot=host.boot, again=again)
        await self._trapper.register(host.name, metadata)
        host.announced(time.monotonic())

    def _detail(self, host: hosts.Host, missed: int, refused: Counter[str]) -> str:
        words = [f"{count} are {reason}" for reason, count in refused.items()]
        if missed:
            young = time.monotonic() < host.young_until
            words.append(f"{missed} have no item{' yet: they will be sent once more' if young else ''}")
        return "; ".join(words)

    def _warn(self, host: str, words: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(host, -QUIET) >= QUIET:
            self._warned[host] = now
            _log.warning("host %s: %s: run `concierge zabbix apply`", host, words)


def _reason(heartbeat: messages.Heartbeat) -> str:
    if heartbeat.state:
        return "running"
    code = "" if heartbeat.exit_code is None else f" (exit code {heartbeat.exit_code})"
    return f"{heartbeat.reason or 'stopped'}{code}"
