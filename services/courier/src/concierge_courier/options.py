"""Every setting of the courier: a flag, or `CONCIERGE_…` in the environment; a flag wins."""

import argparse
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from concierge_courier import VERSION, again, control, guide, health, keys, shape
from concierge_courier.sources import access, port
from concierge_proto import errors, settings, subjects


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
    """Of one collection, less than the interval; 0: nine tenths of it, at most 10 s; of `within` six tenths."""
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
    """Of `deliver`, from start to the receipt: an agent gives it 3 s."""
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
    nats: settings.Nats = settings.Nats(url="nats://127.0.0.1:4222")
    dry_run: bool = False
    json: bool = False
    kind: str = ""
    """Of `discover`."""
    command: tuple[str, ...] = ()

    @property
    def limits(self) -> port.Limits:
        room = 0.6 * self.within if self.action == "deliver" else min(0.9 * self.interval, 10.0)
        return port.Limits(self.timeout or room, self.max_body)

    @property
    def shaping(self) -> shape.Shape:
        return shape.Shape(self.include, self.exclude, self.rename)


class _Flag(NamedTuple):
    """One setting that is a flag and a variable."""

    name: str
    read: Callable[[str], Any]
    metavar: str
    help: str
    actions: str = "run discover deliver"


def _texts(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))  # a command of `exec` has blanks


def _seconds(text: str) -> float:
    return float(settings.Duration.parse(text))  # a plain one: it goes into messages


def _words(text: str) -> tuple[str, ...]:
    words = tuple(shlex.split(text))
    if not words:
        raise ValueError(f"{text!r} is no command")
    return words


def _commands(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_words(line) for line in text.splitlines() if line.strip())


def _check_of(text: str) -> str:
    return text if text.startswith(health.ADDRESSES) else shlex.join(_words(text))


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ValueError(f"{text!r} is no number from 1")
    return int(text)


def _bytes(text: str) -> int:
    return int(settings.Size.parse(text))


_FLAGS = (
    _Flag("service", subjects.name, "NAME", "what is scaled: one application, N instances", "run deliver"),
    _Flag(
        "instance",
        subjects.instance,
        "NAME",
        "this copy of it; default: the host name",
        "run deliver maintenance",
    ),
    _Flag("sources", _texts, "KIND=LOCATION", "where metrics are read; repeat for several"),
    _Flag("interval", _seconds, "TIME", "how often; default 10s", "run"),
    _Flag("timeout", _seconds, "TIME", "of one collection; default 9/10 of the interval"),
    _Flag("heartbeat", _seconds, "TIME", "how often to say that it runs; default 10s", "run"),
    _Flag("grace", _seconds, "TIME", "from SIGTERM to SIGKILL; default 8s", "run"),
    _Flag("pre_start", _words, "CMD", "must succeed before the application starts", "run"),
    _Flag("pre_start_timeout", _seconds, "TIME", "how long it may take; default 5m", "run"),
    _Flag("post_stop", _words, "CMD", "when the application has ended", "run"),
    _Flag("post_stop_timeout", _seconds, "TIME", "how long it may take; default 5s", "run"),
    _Flag("health", _check_of, "CMD|URL", "is the application well? exit code 0, or status 2xx", "run"),
    _Flag("health_interval", _seconds, "TIME", "between two checks; default 10s", "run"),
    _Flag("health_timeout", _seconds, "TIME", "of one check; default 5s", "run"),
    _Flag("health_retries", _count, "N", "failures in a row until it is failing; default 3", "run"),
    _Flag("coprocesses", _commands, "CMD", "runs beside the application; repeat for several", "run"),
    _Flag("coprocess_restarts", again.parse, "WHEN", "as --restarts; default always", "run"),
    _Flag("restarts", again.parse, "WHEN", "no (default), N, always, on-failure[:N]: in a row", "run"),
    _Flag(
        "runtime_dir", str, "DIR", f"of the maintenance switch; default {control.folder()}", "run maintenance"
    ),
    _Flag("within", _seconds, "TIME", "how long it may take; default 2500ms", "deliver"),
    _Flag("buffer", _bytes, "SIZE", "of snapshots kept while NATS is away; default 4m", "run"),
    _Flag("buffer_age", _seconds, "TIME", "how long they are kept; default 15m", "run"),
    _Flag("max_body", _bytes, "SIZE", "of a source's document; default 16m"),
    _Flag("spool", str, "DIR", "where snapshots outlive a long outage and a restart; its own", "run"),
    _Flag("spool_size", _bytes, "SIZE", "of it; default 64m", "run"),
    _Flag("spool_age", _seconds, "TIME", "how long they are kept there; default 24h", "run"),
    _Flag("include", shape.patterns, "PATTERN", "send only these, e.g. 'timer[*,p95]'; repeat for several"),
    _Flag("exclude", shape.patterns, "PATTERN", "send all but these; repeat for several"),
    _Flag("rename", shape.renames, "FROM=TO", "the beginning of names, e.g. com.example.=; repeat"),
)

_REPEATED = {
    "sources": "--source",
    "coprocesses": "--coprocess",
    "include": "--include",
    "exclude": "--exclude",
    "rename": "--rename",
}
"""Settings of several values: the flag of one."""

_NATS = {
    "url": "nats://host:4222, several with commas; default nats://127.0.0.1:4222",
    "user": "",
    "password_file": "",
    "token_file": "",
    "creds_file": "NATS credentials (JWT and nkey)",
    "ca_file": "verify the server against this CA; implies TLS",
    "cert_file": "",
    "key_file": "",
}
"""Fields of `[nats]` that a client needs, and what to say about them."""


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Return the options; raise Permanent with the flag or variable that is wrong.

    `--help`, `--version` and an unknown flag end the process, as in any program.
    """
    mine, command = _split(argv)
    given = vars(_parser().parse_args(mine))
    action = given.pop("action")
    found = {flag.name: _value(flag, given, environ) for flag in _FLAGS if action in flag.actions.split()}
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


def _parser() -> argparse.ArgumentParser:
    parser = _page(argparse.ArgumentParser, guide.COURIER, prog="concierge-courier")
    parser.add_argument("--version", action="version", version=VERSION)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, (summary, text) in guide.ACTIONS.items():
        page = _page(actions.add_parser, text, name=action, help=summary)
        for flag in _FLAGS:
            if action in flag.actions.split():
                _add(page, flag)
        if action != "maintenance":
            keys.add(page)
        if action in {"run", "deliver"}:
            for field, words in _NATS.items():
                name = "--nats" if field == "url" else f"--nats-{field.replace('_', '-')}"
                page.add_argument(name, dest=f"nats.{field}", metavar="TEXT", help=words or None)
    actions.choices["run"].add_argument(
        "--dry-run", action="store_true", help="read once, print what would be sent"
    )
    actions.choices["run"].add_argument("--json", action="store_true", help="print it as JSON")
    actions.choices["maintenance"].add_argument("switch", choices=("on", "off", "status"))
    actions.choices["discover"].add_argument("kind", metavar="TYPE", help="gauge, counter, timer, …")
    return parser


def _page(make: Callable[..., argparse.ArgumentParser], text: str, **more: str) -> argparse.ArgumentParser:
    description, _, epilog = text.partition("\n\n")
    return make(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )


def _add(page: argparse.ArgumentParser, flag: _Flag) -> None:
    if flag.name in _REPEATED:
        page.add_argument(
            _REPEATED[flag.name], dest=flag.name, action="append", metavar=flag.metavar, help=flag.help
        )
    else:
        page.add_argument(
            f"--{flag.name.replace('_', '-')}", dest=flag.name, metavar=flag.metavar, help=flag.help
        )


def _value(flag: _Flag, given: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    where, text = _REPEATED.get(flag.name, f"--{flag.name.replace('_', '-')}"), given[flag.name]
    if flag.name == "sources" and text:
        return tuple(text)
    if isinstance(text, list):
        text = "\n".join(text)
    if text is None:
        where = f"CONCIERGE_{flag.name.upper()}"
        text = environ.get(where)
    if not text:
        return None
    try:
        return flag.read(text)
    except (ValueError, errors.Malformed) as error:
        raise errors.Permanent(f"{where}: {error}") from error


def _nats(given: Mapping[str, Any], environ: Mapping[str, str]) -> settings.Nats:
    found = settings.environment(environ)
    chosen = {field: given.get(f"nats.{field}") or found.get(f"nats.{field}", "") for field in _NATS}
    where = settings.Nats(**{**chosen, "url": chosen["url"] or Options().nats.url})  # type: ignore[arg-type]
    for field in ("password_file", "token_file"):
        if getattr(where, field):
            settings.read_secret(getattr(where, field), f"nats.{field}")
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
    if chosen.action == "run" and not 0 < chosen.limits.patience < chosen.interval:
        raise errors.Permanent(
            f"--timeout {chosen.timeout:g}s: a collection must end before the next begins, "
            f"so less than the interval of {chosen.interval:g}s"
        )
    _check_life(chosen)


def _check_life(chosen: Options) -> None:
    for name in ("heartbeat", "health_interval", "health_timeout", "pre_start_timeout", "post_stop_timeout"):
        if getattr(chosen, name) <= 0:
            raise errors.Permanent(f"--{name.replace('_', '-')}: more than 0s")
    if chosen.restarts != again.NEVER and not chosen.command:
        raise errors.Permanent("--restarts: there is no application to start; say which after --")
