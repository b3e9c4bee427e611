"""The pull twin of the heartbeat: a monitoring system asks for one instance, and its courier answers over NATS.

1: it runs. 0: it says that it does not, or nobody answers although the bus is up. 503: nobody could be asked,
and nothing follows from that: a quiet bus is never taken for dead containers.
"""

import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from concierge_backends.zabbix import names
from concierge_gateway import answers, authenticate, intake, metrics, rate, renewal
from concierge_proto import bus, codec, errors, messages, settings, subjects

RATE = 500.0
"""A second: 15,000 instances that are asked for twice a minute."""
CROWD = 256
"""Questions that wait for an answer at one time."""
PATIENCE = 1.0
"""Seconds for a courier's answer."""


class Pings:
    """Asks couriers for whoever has the token: each question costs the bus a message, so not for everybody."""

    def __init__(self, config: settings.Settings, link: bus.Bus) -> None:
        self._config = config
        self._link = link
        self._file = config.gateway.ping_token_file
        self._guard = authenticate.Guard((), self._tokens(), 0) if self._file else None
        self._bucket = rate.Bucket(RATE)
        self._in_hand = 0

    async def receive(self, request: Request) -> Response:
        """Answer one request; never raises."""
        self._in_hand += 1
        try:
            self._admit(request)
            alive = await self._judge(request.path_params["service"], request.path_params["instance"])
        except answers.Refusal as refusal:
            response, outcome = answers.refused(refusal), str(refusal.status)
        else:
            response, outcome = PlainTextResponse(str(int(alive))), str(int(alive))
        finally:
            self._in_hand -= 1
        metrics.PINGS.labels(outcome).inc()
        return response

    def _admit(self, request: Request) -> None:
        if self._guard is None:
            raise answers.Refusal(404, "nobody may ping: set gateway.ping_token_file")
        self._guard.check(intake.head(request), b"", time.time())
        wait = self._bucket.take()
        if wait:
            raise answers.later(429, f"more than {RATE:g} pings a second", wait)
        if self._in_hand > CROWD:
            raise answers.later(503, f"{CROWD} pings are in hand already")

    async def _judge(self, service: str, instance: str) -> bool:
        """Return whether it runs; raise Refusal where that cannot be said."""
        if service not in self._config.services:
            raise answers.Refusal(404, f"no service {service[:80]!r}: it needs a [services.NAME]")
        try:
            subject = subjects.ping(service, names.instance(self._config, service, instance))
        except errors.Malformed as error:
            raise answers.Refusal(400, str(error)) from error
        try:
            answer = await self._link.ask(subject, PATIENCE)
            return codec.decode(messages.Ping, answer).state == 1
        except errors.Malformed as error:
            raise answers.later(503, f"the courier's answer cannot be read: {error}") from error
        except (errors.Temporary, errors.Permanent):
            await self._check_bus(service)
            return False

    async def _check_bus(self, service: str) -> None:
        """No answer counts only when the bus answers us, and was up for as long as an instance may be silent."""
        try:
            await self._link.flush()
        except errors.ConciergeError as error:
            raise answers.later(503, f"nobody can be asked: {error}", 5) from error
        known = self._config.services.get(service)
        if known is None:
            return
        missing = known.fresh - (time.monotonic() - self._link.connected_since)
        if missing > 0:
            raise answers.later(503, "the bus came back a moment ago: couriers may not have yet", missing)

    def followed(self) -> list[renewal.Followed]:
        """Return the file of its token, if it has one."""
        return (
            [renewal.Followed("gateway.ping_token_file", (self._file,), self._renew)] if self._guard else []
        )

    def _renew(self) -> None:
        if self._guard:
            self._guard.renew((), self._tokens())

    def _tokens(self) -> list[str]:
        return settings.read_secret(self._file, "gateway.ping_token_file")
