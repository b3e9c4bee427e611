"""Every setting of the courier: a flag, or `CONCIERGE_…` in the environment; a flag wins."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from concierge_courier import again, control, flags, keys, shape
from concierge_courier.sources import access, port
from concierge_proto import bus, errors, settings, subjects


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the courier does. Durations in seconds, sizes in bytes."""

    action: str = "run"
    """run, discover, deliver, maintenance."""
    service: str = ""
    instance: str = ""
    sources: tuple[str, ...] = ()
    """`KIND[:NAME]=LOCATION`."""
    keys: dict[str, access.Access] = {}
    """Source name to what opens it."""
    interval: float = 10.0
    timeout: float = 0.0
    """Of one collection, less than the interval; 0: nine tenths of it, at most 10 s; of `within` six tenths, or all."""
    heartbeat: float = 10.0
    grace: float = 8.0
    """Less than the ten seconds of `docker stop`: the last heartbeat still has to go out."""
    pre_start: tuple[str, ...] = ()
    """Must succeed before the application starts."""
    pre_start_timeout: float = 300.0
    post_stop: tuple[str, ...] = ()
    """Runs when the application has ended; changes nothing any more."""
    post_stop_timeout: float = 5.0
    health: str = ""
    """A command, or `http://…`."""
    health_interval: float = 10.0
    health_timeout: float = 5.0
    health_retries: int = 3
    coprocesses: tuple[tuple[str, ...], ...] = ()
    """Run beside the application, from before its start until after its end."""
    coprocess_restarts: again.Policy = again.ALWAYS
    restarts: again.Policy = again.NEVER
    runtime_dir: str = control.folder()
    """Where `maintenance` finds this courier."""
    switch: str = ""
    """Of `maintenance`: on, off, status."""
    within: float = 2.5
    """Of `deliver`, from start to the receipt, and of a reading of `discover`: an agent gives them 3 s."""
    buffer: int = 4 * 1024 * 1024
    buffer_age: float = 900.0
    max_body: int = 16 * 1024 * 1024
    spool: str = ""
    """A folder for snapshots that outlive a long outage and a restart; empty: memory alone."""
    spool_size: int = 64 * 1024 * 1024
    spool_age: float = 86400.0
    include: tuple[str, ...] = ()
    """Patterns of `KIND[NAME,FIELD]`; none: everything."""
    exclude: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    """Beginnings of names, and what replaces them."""
    prefix: tuple[tuple[str, str], ...] = ()
    """Sources by name, and what stands before each name of theirs."""
    nats: settings.Nats = settings.Nats(url="nats://127.0.0.1:4222")
    dry_run: bool = False
    json: bool = False
    kind: str = ""
    """Of `discover`."""
    command: tuple[str, ...] = ()

    @property
    def limits(self) -> port.Limits:
        room = {"deliver": 0.6 * self.within, "discover": self.within}
        every = min(0.9 * self.interval, 10.0)
        return port.Limits(self.timeout or room.get(self.action, every), self.max_body)

    @property
    def shaping(self) -> shape.Shape:
        return shape.Shape(self.include, self.exclude, self.rename, self.prefix)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Return the options; raise Permanent with the flag or variable that is wrong.

    `--help`, `--version` and an unknown flag end the process, as in any program.
    """
    mine, command = _split(argv)
    given = vars(flags.parser().parse_args(mine))
    action = given.pop("action")
    found = {
        flag.name: flags.value(flag, given, environ) for flag in flags.ALL if action in flag.actions.split()
    }
    found = {name: value for name, value in found.items() if value is not None}
    if action != "discover":
        found["instance"] = found.get("instance") or subjects.instance_of(socket.gethostname())
    chosen = Options(
        action=action,
        nats=_nats(given, environ),
        keys=keys.read(given, environ),
        command=command,
        dry_run=given.get("dry_run", False),
        json=given.get("json", False),
        kind=given.get("kind", ""),
        switch=given.get("switch", ""),
        **found,
    )
    _check(chosen)
    return chosen


def _split(argv: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Everything behind the first `--` is the application's."""
    if "--" not in argv:
        return list(argv), ()
    at = list(argv).index("--")
    return list(argv[:at]), tuple(argv[at + 1 :])


def _nats(given: Mapping[str, Any], environ: Mapping[str, str]) -> settings.Nats:
    found = settings.environment(environ)
    chosen = {field: given.get(f"nats.{field}") or found.get(f"nats.{field}", "") for field in flags.NATS}
    where = settings.Nats(**{**chosen, "url": chosen["url"] or Options().nats.url})  # type: ignore[arg-type]
    bus.check(where)
    return where


def _check(chosen: Options) -> None:
    """Hold what one flag cannot say."""
    if chosen.action == "maintenance":
        return
    if chosen.action != "discover" and not (chosen.service or chosen.dry_run):
        raise errors.Permanent("which service is this? Say --service NAME, or set CONCIERGE_SERVICE")
    if chosen.action != "run" and chosen.command:
        raise errors.Permanent(f"{chosen.action} starts no application: leave out what follows --")
    if chosen.action != "run" and not chosen.sources:
        raise errors.Permanent(
            "nothing to read: say --source dropwizard=http://127.0.0.1:8081/metrics, or set CONCIERGE_SOURCES"
        )
    if chosen.json and not chosen.dry_run:
        raise errors.Permanent("--json: goes with --dry-run")
    _check_life(chosen)
    if chosen.action == "run" and not 0 < chosen.limits.patience < chosen.interval:
        raise errors.Permanent(
            f"--timeout {chosen.timeout:g}s: a collection must end before the next begins, "
            f"so less than the interval of {chosen.interval:g}s"
        )


_SOME_TIME = (
    *("interval", "within", "heartbeat", "health_interval", "health_timeout"),
    *("pre_start_timeout", "post_stop_timeout"),
)


def _check_life(chosen: Options) -> None:
    for name in _SOME_TIME:
        if getattr(chosen, name) <= 0:
            raise errors.Permanent(f"--{name.replace('_', '-')}: more than 0s")
    if chosen.restarts != again.NEVER and not chosen.command:
        raise errors.Permanent("--restarts: there is no application to start; say which after --")
