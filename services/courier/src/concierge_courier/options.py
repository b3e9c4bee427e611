"""Every setting of the courier: a flag, or `CONCIERGE_…` in the environment; a flag wins."""

import argparse
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from concierge_courier import VERSION, guide
from concierge_courier.sources import port
from concierge_proto import errors, settings, subjects


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the courier does. Durations in seconds, sizes in bytes."""

    action: str = "run"
    """run, discover, deliver."""
    service: str = ""
    instance: str = ""
    sources: tuple[str, ...] = ()
    """`KIND[:NAME]=LOCATION`."""
    interval: float = 10.0
    timeout: float = 0.0
    """Of one collection, less than the interval; 0: nine tenths of it, at most 10 s; of `within` six tenths."""
    heartbeat: float = 10.0
    grace: float = 8.0
    """Less than the ten seconds of `docker stop`: the last heartbeat still has to go out."""
    within: float = 2.5
    """Of `deliver`, from start to the receipt: an agent gives it 3 s."""
    buffer: int = 4 * 1024 * 1024
    buffer_age: float = 900.0
    max_body: int = 16 * 1024 * 1024
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


class _Flag(NamedTuple):
    """One setting that is a flag and a variable."""

    name: str
    read: Callable[[str], Any]
    metavar: str
    help: str
    actions: str = "run discover deliver"


def _texts(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _seconds(text: str) -> float:
    return float(settings.Duration.parse(text))  # a plain one: it goes into messages


def _bytes(text: str) -> int:
    return int(settings.Size.parse(text))


_FLAGS = (
    _Flag("service", subjects.name, "NAME", "what is scaled: one application, N instances", "run deliver"),
    _Flag("instance", subjects.instance, "NAME", "this copy of it; default: the host name", "run deliver"),
    _Flag("sources", _texts, "KIND=LOCATION", "where metrics are read; repeat for several"),
    _Flag("interval", _seconds, "TIME", "how often; default 10s", "run"),
    _Flag("timeout", _seconds, "TIME", "of one collection; default 9/10 of the interval"),
    _Flag("heartbeat", _seconds, "TIME", "how often to say that it runs; default 10s", "run"),
    _Flag("grace", _seconds, "TIME", "from SIGTERM to SIGKILL; default 8s", "run"),
    _Flag("within", _seconds, "TIME", "how long it may take; default 2500ms", "deliver"),
    _Flag("buffer", _bytes, "SIZE", "of snapshots kept while NATS is away; default 4m", "run"),
    _Flag("buffer_age", _seconds, "TIME", "how long they are kept; default 15m", "run"),
    _Flag("max_body", _bytes, "SIZE", "of a source's document; default 16m"),
)

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
        command=command,
        dry_run=given.get("dry_run", False),
        json=given.get("json", False),
        kind=given.get("kind", ""),
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
        if action != "discover":
            for field, words in _NATS.items():
                name = "--nats" if field == "url" else f"--nats-{field.replace('_', '-')}"
                page.add_argument(name, dest=f"nats.{field}", metavar="TEXT", help=words or None)
    actions.choices["run"].add_argument(
        "--dry-run", action="store_true", help="read once, print what would be sent"
    )
    actions.choices["run"].add_argument("--json", action="store_true", help="print it as JSON")
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
    if flag.name == "sources":
        page.add_argument("--source", dest="sources", action="append", metavar=flag.metavar, help=flag.help)
    else:
        page.add_argument(
            f"--{flag.name.replace('_', '-')}", dest=flag.name, metavar=flag.metavar, help=flag.help
        )


def _value(flag: _Flag, given: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    where, text = f"--{flag.name.replace('_', '-')}", given[flag.name]
    if isinstance(text, list):
        return tuple(text)
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
    if chosen.heartbeat <= 0:
        raise errors.Permanent("--heartbeat: more than 0s")
