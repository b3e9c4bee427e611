"""The way out: snapshots, discovery and heartbeats of instances, and the aggregates of services."""

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from concierge_backends import port
from concierge_backends.zabbix import (
    api,
    comments,
    delivery,
    hosts,
    keeper,
    keys,
    names,
    outcomes,
    packets,
    problems,
    secure,
    trapper,
)
from concierge_backends.zabbix.keeper import arrivals
from concierge_proto import errors, messages, settings

QUIET = 60.0
"""Seconds between two warnings about the same host."""

RENEWED = 15.0
"""Seconds until a token that was refused is looked for in its file again."""
T = TypeVar("T")

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - zabbix.backend.open
    config: settings.Settings, name: str = "zabbix"
) -> AsyncIterator["Backend"]:
    """Yield the backend; with `api_url` and a token it also knows open problems. Raises Permanent."""
    own = config.monitoring.zabbix
    door = trapper.Trapper(own.servers, own.timeout, secure.context(own), own.connections)
    async with contextlib.AsyncExitStack() as stack:
        backend = Backend(config, door, stack, name)
        stack.push_async_callback(backend.close)
        if own.api_token_file:
            greeting = asyncio.create_task(backend.greet(), name="zabbix api")
            stack.callback(greeting.cancel)
        if backend.keeper:
            keeping = asyncio.create_task(backend.keeper.run(), name="zabbix hosts")
            stack.callback(keeping.cancel)
        yield backend


class Backend:
    """`port.Backend` and `port.Problems` on a Zabbix server."""

    def __init__(
        self, config: settings.Settings, door: trapper.Trapper, stack: contextlib.AsyncExitStack, name: str
    ) -> None:
        self.name = name
        self._config = config
        self._trapper = door
        self._stack = stack
        self._api: api.Api | None = None
        self._api_lock = asyncio.Lock()
        self._hosts = hosts.Hosts()
        own = config.monitoring.zabbix
        asked = self._door if own.api_token_file else None
        self._delivery = delivery.Delivery(door, asked, self._announce, self._live, secure.way(own))
        self._tracked = {name: names.tracked(service) for name, service in config.services.items()}
        self._warned: dict[str, float] = {}
        ways = arrivals.Ways(self._register, self._delivery.made, self._forget)
        self.keeper = keeper.Keeper(config, ways) if own.keeper_token_file else None
        """None: without a token hosts register themselves, and stay."""

    async def close(self) -> None:
        await self._delivery.close()

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
            absurd = f"its time, {snapshot.time_ns} ns, is no time of now"
            return port.Delivered(0, total, total, absurd, refused=total)
        host = self._host(snapshot)
        rows, refused = packets.rows(host.name, snapshot)
        async with host.lock:
            fate = await self._delivery.snapshot(host, rows)
        return _delivered(fate, refused, total)

    async def discovery(self, discovery: messages.Discovery) -> None:
        """Announce the instance, and give each rule its full list of names."""
        _check_time(discovery)
        host = self._host(discovery)
        host.courier = discovery.facts.get("courier", host.courier)
        host.image = discovery.facts.get("image", host.image)
        rows = [
            packets.row(host.name, keys.rule(kind), keys.discovered(found), discovery.time_ns)
            for kind, found in discovery.kinds.items()
        ]
        host.grow(time.monotonic())
        async with host.lock:
            host.account.renew(time.monotonic())
            await self._delivery.newest(host, rows, delivery.KEEP_DISCOVERY)

    async def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        """Send the state of an instance, and on 7.0 what an agent sends to be called available."""
        _check_time(heartbeat)
        host = self._host(heartbeat)
        host.courier = heartbeat.version or host.courier
        if self.keeper and heartbeat.state:
            self.keeper.running(host)
        rows = [
            packets.row(host.name, names.STATE, heartbeat.state, heartbeat.time_ns),
            packets.row(host.name, names.REASON, _reason(heartbeat), heartbeat.time_ns),
        ]
        async with host.lock:
            await self._delivery.newest(host, rows)
        if self.keeper and not heartbeat.state:
            self.keeper.stopped(host, heartbeat, _reason(heartbeat))
        if heartbeat.state and self._api and self._api.seven:
            with contextlib.suppress(errors.Temporary):
                await self._trapper.alive(host.name, math.ceil(heartbeat.interval_s))

    async def aggregates(self, aggregates: port.Aggregates) -> None:
        """Send what the service's host has items for; the lease's holder does, and so keeps the hosts too."""
        if self.keeper:
            self.keeper.hold()
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
        asked_here = self.name == "zabbix"  # a further cluster has other events by the same ids
        if asked_here and event_id and said and self._config.monitoring.zabbix.api_token_file:
            await self._ask(lambda door: comments.write(door, event_id, said))

    async def instances(self) -> list[port.Instance]:
        """Return whose hosts are enabled; none without a host keeper, who could not retire them either."""
        return await self.keeper.instances() if self.keeper else []

    async def problems(self, source: str) -> list[messages.Trigger]:
        """Return what is open now; raise Permanent without an API."""
        return await self._ask(lambda door: problems.read(door, source, datetime.now(UTC), self._config))

    async def _tell(self, host: str, rows: Sequence[packets.Row]) -> None:
        """Send values of a service's host; `apply` has made an item for each."""
        taken = await self._trapper.deliver(host, rows)
        if taken < len(rows):
            self._warn(host, f"{len(rows) - taken} of {len(rows)} values have no item")

    async def _ask(self, question: Callable[[api.Api], Awaitable[T]]) -> T:
        """Put a question to the API; where the token is refused, its file is read again for the next one."""
        try:
            return await question(await self._door())
        except api.Stranger as error:
            self._api = None
            words = f"{error}: write a new token into monitoring.zabbix.api_token_file"
            raise errors.Temporary(words, RENEWED) from error

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
            host.begin(message.boot, time.monotonic())
        return host

    async def _announce(self, host: hosts.Host) -> None:
        if self.keeper:
            self.keeper.arrived(host)
            host.announced(time.monotonic())
        else:
            await self._register(host)

    async def _register(self, host: hosts.Host) -> None:
        """Let it register itself: a changed metadata text is acted upon at once, the same one not for two minutes (7.0)."""
        again = str(host.tries) if host.tries else ""
        metadata = packets.metadata(
            service=host.service, image=host.image, courier=host.courier, boot=host.boot, again=again
        )
        host.account.silence = await self._trapper.register(host.name, metadata)
        host.announced(time.monotonic())

    def _forget(self, host: hosts.Host) -> None:
        self._hosts.forget(host)
        self._delivery.forget(host)

    def _live(self, host: hosts.Host) -> frozenset[str]:
        """Keys by which this service is scaled: their old values are never sent."""
        found = self._tracked.get(host.service, ())
        return frozenset(keys.key(one.metric.kind, one.metric.name, one.metric.field) or "" for one in found)

    def _warn(self, host: str, words: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(host, -QUIET) >= QUIET:
            self._warned[host] = now
            _log.warning("host %s: %s: run `concierge zabbix apply`", host, words)


def _delivered(fate: delivery.Fate, refused: Counter[str], total: int) -> port.Delivered:
    refused = refused + fate.refused
    words = [f"{count} are {reason}" for reason, count in refused.items()]
    if fate.undiscovered:
        words.append(f"{fate.undiscovered} have no item")
    if fate.parked:
        words.append(f"{fate.parked} have no item yet: they will be sent once more")
    return port.Delivered(
        processed=fate.taken,
        failed=total - fate.taken,
        total=total,
        detail="; ".join(words),
        parked=fate.parked,
        undiscovered=fate.undiscovered,
        refused=refused.total(),
    )


def _check_time(said: messages.Discovery | messages.Heartbeat) -> None:
    """Raise Malformed for a time that Zabbix must not be given: clock 0 hangs the history syncer of 6.0."""
    if not packets.sendable(said.time_ns, time.time()):
        who = f"{said.service}/{said.instance}"
        raise errors.Malformed(f"{who}: its time, {said.time_ns} ns, is no time of now: check its clock")


def _reason(heartbeat: messages.Heartbeat) -> str:
    if heartbeat.state:
        return "running"
    code = "" if heartbeat.exit_code is None else f" (exit code {heartbeat.exit_code})"
    return f"{heartbeat.reason or 'stopped'}{code}"
