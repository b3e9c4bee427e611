"""The way to Prometheus: groups of a Pushgateway, one an instance and one a service."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from concierge_backends import aggregate, port
from concierge_backends.prometheus import exposition, webhook
from concierge_proto import errors, messages, settings

_OLD = 60.0
"""Seconds. A push carries no time: what is older would be taken for new."""
_REMEMBERED = 20_000
_LOCKS = 64
_TOO_MANY = 429


class _Last(NamedTuple):
    """What was last pushed of an instance, by its own clock."""

    time_ns: int
    stopped: bool


class Backend:
    """Last push wins, so nothing older is pushed over what is newer, and nothing of what has stopped."""

    name = "prometheus"

    def __init__(
        self,
        client: httpx.AsyncClient,
        where: settings.Prometheus,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._client = client
        self._where = where
        self._clock = clock
        self._last: OrderedDict[str, _Last] = OrderedDict()
        self._done: dict[str, datetime] = {}
        """Service to the time of its last outcome: an older one that comes late is not pushed over it."""
        self._locks = [asyncio.Lock() for _ in range(_LOCKS)]

    async def snapshot(self, snapshot: messages.Snapshot) -> port.Delivered:
        """Replace the instance's group; values that Prometheus cannot hold are counted as failed."""
        key = f"{snapshot.service}/{snapshot.instance}"
        async with self._lock(key):
            late = self._late(key, snapshot)
            if late:
                return port.Delivered(0, snapshot.total, snapshot.total, late)
            page = exposition.snapshot(snapshot)
            await self._send("PUT", _group(snapshot.service, snapshot.instance), page.body)
            self._remember(key, _Last(snapshot.time_ns, stopped=False))
        failed = page.text + page.odd
        return port.Delivered(page.written, failed, page.written + failed, _detail(page))

    async def discovery(self, discovery: messages.Discovery) -> None:
        """Do nothing: Prometheus makes a series of whatever comes."""

    async def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        """Push the state 1 into the instance's group; with the state 0 remove the group."""
        key, group = (
            f"{heartbeat.service}/{heartbeat.instance}",
            _group(heartbeat.service, heartbeat.instance),
        )
        async with self._lock(key):
            last = self._last.get(key)
            if last and heartbeat.time_ns < last.time_ns and (last.stopped or not heartbeat.state):
                return  # overtaken: by its own stop, or by its next life
            if heartbeat.state:
                await self._send("POST", group, exposition.heartbeat(heartbeat))
            else:
                await self._send("DELETE", group, b"")
                self._remember(key, _Last(heartbeat.time_ns, stopped=True))

    async def aggregates(self, aggregates: port.Aggregates) -> None:
        await self._send("PUT", _group(aggregates.service), exposition.aggregates(aggregates))

    async def instances(self) -> list[port.Instance]:
        return []

    async def report(self, report: port.Report) -> None:
        """Push what was last done to a service; an alert has no place for a comment."""
        event = report.event
        if not isinstance(event, messages.Outcome) or event.at < self._done.get(event.service, event.at):
            return
        self._done[event.service] = event.at
        await self._send("PUT", f"{_group(event.service)}/part/scaling", exposition.outcome(event))

    async def problems(self, source: str) -> list[messages.Trigger]:
        """Ask Alertmanager for what fires; what is silenced or inhibited is not over, and says that it is suppressed."""
        if not self._where.alertmanager_url:
            raise errors.Permanent(
                "monitoring.prometheus.alertmanager_url is not set: nobody to ask for open problems"
            )
        url = f"{self._where.alertmanager_url.rstrip('/')}/api/v2/alerts"
        answer = await self._request("GET", url)
        return webhook.listed(answer.content, source, datetime.now(UTC))

    def _late(self, key: str, snapshot: messages.Snapshot) -> str:
        """Say why it must not be pushed any more, or nothing."""
        age = (self._clock() - snapshot.time_ns) / aggregate.NANOSECONDS
        if age > _OLD:
            return f"read {age:.0f} s ago: a push carries no time, and would pass it off as new"
        last = self._last.get(key)
        if (
            last is None
            or snapshot.time_ns > last.time_ns
            or (snapshot.time_ns == last.time_ns and not last.stopped)
        ):
            return ""
        return "the instance has stopped" if last.stopped else "a newer snapshot was pushed already"

    def _remember(self, key: str, last: _Last) -> None:
        self._last[key] = last
        self._last.move_to_end(key)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    def _lock(self, key: str) -> asyncio.Lock:
        """One push of an instance at a time, or a removal could be overtaken by a push."""
        return self._locks[hash(key) % _LOCKS]

    async def _send(self, method: str, group: str, body: bytes) -> None:
        url = f"{self._where.pushgateway_url.rstrip('/')}{group}"
        await self._request(method, url, content=body, headers={"content-type": exposition.CONTENT_TYPE})

    async def _request(self, method: str, url: str, **rest: object) -> httpx.Response:
        try:
            async with asyncio.timeout(self._where.timeout):
                answer = await self._client.request(method, url, **rest)  # type: ignore[arg-type]
        except (httpx.HTTPError, TimeoutError) as error:
            raise errors.Temporary(f"{method} {url}: {str(error) or type(error).__name__}") from error
        if answer.is_success:
            return answer
        text = f"{method} {url}: {answer.status_code} {answer.text[:300].strip()}"
        if answer.is_server_error or answer.status_code == _TOO_MANY:
            raise errors.Temporary(text)
        raise errors.Permanent(text)


def _group(service: str, instance: str = "") -> str:
    group = f"/metrics/job/concierge/service/{service}"
    return f"{group}/instance/{instance}" if instance else group


def _detail(page: exposition.Page) -> str:
    reasons = [f"{page.text} values are text"] if page.text else []
    reasons += [f"{page.odd} values are not finite, or said twice"] if page.odd else []
    return "; ".join(reasons)


@contextlib.asynccontextmanager
async def open(config: settings.Settings) -> AsyncIterator[Backend]:  # noqa: A001 - the registry's word
    """Open it; nobody is called yet. Raises Permanent with the setting that is no URL."""
    own = config.monitoring.prometheus
    for name in ("pushgateway_url", "alertmanager_url"):
        _check(f"monitoring.prometheus.{name}", getattr(own, name))
    async with httpx.AsyncClient(timeout=None, trust_env=False) as client:  # noqa: S113 - timed in `_request`
        yield Backend(client, own)


def _check(setting: str, url: str) -> None:
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise errors.Permanent(f"{setting} = {url!r}: {error}") from error
    if url and (found.scheme not in {"http", "https"} or not found.host):
        raise errors.Permanent(f"{setting} = {url!r}: write http://host:port")
