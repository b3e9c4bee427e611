"""What the courier's flags are called, how each is read, and the pages of help that show them.

A flag is a variable as well: `--health-interval` is `CONCIERGE_HEALTH_INTERVAL`.
"""

import argparse
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from concierge_courier import VERSION, again, control, discover, guide, health, keys, shape
from concierge_proto import errors, settings, subjects


class Flag(NamedTuple):
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


ALL = (
    Flag("service", subjects.name, "NAME", "what is scaled: one application, N instances", "run deliver"),
    Flag(
        "instance",
        subjects.instance,
        "NAME",
        "this copy of it; default: the host name",
        "run deliver maintenance",
    ),
    Flag("sources", _texts, "KIND=LOCATION", "where metrics are read; repeat for several"),
    Flag("interval", _seconds, "TIME", "how often; default 10s", "run"),
    Flag("timeout", _seconds, "TIME", "of one collection; default 9/10 of the interval, of discover 2500ms"),
    Flag("heartbeat", _seconds, "TIME", "how often to say that it runs; default 10s", "run"),
    Flag("grace", _seconds, "TIME", "from SIGTERM to SIGKILL; default 8s", "run"),
    Flag("pre_start", _words, "CMD", "must succeed before the application starts", "run"),
    Flag("pre_start_timeout", _seconds, "TIME", "how long it may take; default 5m", "run"),
    Flag("post_stop", _words, "CMD", "when the application has ended", "run"),
    Flag("post_stop_timeout", _seconds, "TIME", "how long it may take; default 5s", "run"),
    Flag("health", _check_of, "CMD|URL", "is the application well? exit code 0, or status 2xx", "run"),
    Flag("health_interval", _seconds, "TIME", "between two checks; default 10s", "run"),
    Flag("health_timeout", _seconds, "TIME", "of one check; default 5s", "run"),
    Flag("health_retries", _count, "N", "failures in a row until it is failing; default 3", "run"),
    Flag("coprocesses", _commands, "CMD", "runs beside the application; repeat for several", "run"),
    Flag("coprocess_restarts", again.parse, "WHEN", "as --restarts; default always", "run"),
    Flag("restarts", again.parse, "WHEN", "no (default), N, always, on-failure[:N]: in a row", "run"),
    Flag(
        "runtime_dir", str, "DIR", f"of the maintenance switch; default {control.folder()}", "run maintenance"
    ),
    Flag("within", _seconds, "TIME", "how long it may take; default 2500ms", "deliver"),
    Flag("buffer", _bytes, "SIZE", "of snapshots kept while NATS is away; default 4m", "run"),
    Flag("buffer_age", _seconds, "TIME", "how long they are kept; default 15m", "run"),
    Flag("max_body", _bytes, "SIZE", "of a source's document; default 16m"),
    Flag("spool", str, "DIR", "where snapshots outlive a long outage and a restart; its own", "run"),
    Flag("spool_size", _bytes, "SIZE", "of it; default 64m", "run"),
    Flag("spool_age", _seconds, "TIME", "how long they are kept there; default 24h", "run"),
    Flag("include", shape.patterns, "PATTERN", "send only these, e.g. 'timer[*,p95]'; repeat for several"),
    Flag("exclude", shape.patterns, "PATTERN", "send all but these; repeat for several"),
    Flag("rename", shape.renames, "FROM=TO", "the beginning of names, e.g. com.example.=; repeat"),
    Flag("prefix", shape.prefixes, "NAME=TEXT", "stands before each name of the source NAME; repeat"),
)


class _Repeated(NamedTuple):
    """A setting of several values."""

    flag: str
    """Of one."""
    read: Callable[[str], tuple[Any, ...]]
    """What stands behind that flag."""


_REPEATED = {
    "sources": _Repeated("--source", lambda text: (text,)),
    "coprocesses": _Repeated("--coprocess", lambda text: (_words(text),)),
    "include": _Repeated("--include", shape.patterns),
    "exclude": _Repeated("--exclude", shape.patterns),
    "rename": _Repeated("--rename", shape.renames),
    "prefix": _Repeated("--prefix", shape.prefixes),
}

NATS = {
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


def parser() -> argparse.ArgumentParser:
    """Return what reads a command line, and has all the pages of help."""
    whole = _page(argparse.ArgumentParser, guide.COURIER, prog="concierge-courier")
    whole.add_argument("--version", action="version", version=VERSION)
    actions = whole.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, (summary, text) in guide.ACTIONS.items():
        page = _page(actions.add_parser, text, name=action, help=summary)
        for flag in ALL:
            if action in flag.actions.split():
                _add(page, flag)
        if action != "maintenance":
            keys.add(page)
        if action in {"run", "deliver"}:
            for field, words in NATS.items():
                name = "--nats" if field == "url" else f"--nats-{field.replace('_', '-')}"
                page.add_argument(name, dest=f"nats.{field}", metavar="TEXT", help=words or None)
    actions.choices["run"].add_argument(
        "--dry-run", action="store_true", help="read once, print what would be sent"
    )
    actions.choices["run"].add_argument("--json", action="store_true", help="print it as JSON")
    actions.choices["maintenance"].add_argument("switch", choices=("on", "off", "status"))
    actions.choices["discover"].add_argument(
        "kind", metavar="TYPE", choices=discover.KINDS, help=", ".join(discover.KINDS)
    )
    return whole


def _page(make: Callable[..., argparse.ArgumentParser], text: str, **more: str) -> argparse.ArgumentParser:
    description, _, epilog = text.partition("\n\n")
    return make(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )


def _add(page: argparse.ArgumentParser, flag: Flag) -> None:
    action = "append" if flag.name in _REPEATED else "store"
    page.add_argument(_name(flag), dest=flag.name, action=action, metavar=flag.metavar, help=flag.help)


def value(flag: Flag, given: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    """Return what was said, None for nothing; raise Permanent with the flag or variable that is wrong."""
    text, where = given[flag.name], _name(flag)
    if text is None:
        where = f"CONCIERGE_{flag.name.upper()}"
        text = environ.get(where)
    if not text:
        return None
    try:
        return flag.read(text) if isinstance(text, str) else _each(flag, text)
    except (ValueError, errors.Malformed) as error:
        raise errors.Permanent(f"{where}: {error}") from error


def _each(flag: Flag, texts: Sequence[str]) -> tuple[Any, ...]:
    return tuple(one for text in texts for one in _REPEATED[flag.name].read(text))


def _name(flag: Flag) -> str:
    repeated = _REPEATED.get(flag.name)
    return repeated.flag if repeated else f"--{flag.name.replace('_', '-')}"
