"""What Docker's complaints mean: try again, or never."""

import re
from typing import NamedTuple

from concierge_proto import errors

TIMED_OUT = (124, 137, -9)
"""Of `timeout`: after TERM; after KILL, as a shell and as Python see it."""
NOT_FOUND = (126, 127)
LONGEST = 400
"""Characters of a complaint that reach a log line or an outcome."""


class Answer(NamedTuple):
    """What one child left behind."""

    code: int
    out: str
    said: str


class _Rule(NamedTuple):
    pattern: str
    remedy: str
    delay: float | None = None
    """Seconds until the next try; None: never."""


_UNREACHED = _Rule(
    "cannot connect to the docker daemon|error during connect|connection (refused|reset)|broken pipe"
    r"|i/o timeout|deadline exceeded|unexpected eof|: EOF\b|swarm does not have a leader",
    "is the engine running, and is the target's `host` right?",
    2.0,
)
_RULES = (
    _Rule("update out of sequence", "somebody else changed the service at the same moment", 0.1),
    _Rule(
        "permission denied while trying to connect|dial unix .*permission denied",
        "let the scheduler's user into the group of Docker's socket",
    ),
    _Rule("context not found|context \\S+ does not exist", "`docker context ls` shows what there is"),
    _Rule(
        "(unable to resolve docker endpoint|failed to retrieve context tls info): .*(open |pem|certificate|key)",
        "the target's `tls_ca_file`, `tls_cert_file` and `tls_key_file` are PEM files, and the last two a pair",
    ),
    _Rule(
        "remote error: tls: (expired certificate|certificate expired)",
        "renew the target's `tls_cert_file`: it is past its time, or the engine's clock is wrong",
    ),
    _Rule(
        "remote error: tls",
        "the engine must know the CA of the target's `tls_cert_file` (its `--tlscacert`)",
    ),
    _Rule(
        "x509:|failed to verify certificate",
        "the engine's certificate must be of the target's `tls_ca_file`, and for the name in `host`",
    ),
    _Rule(
        "http response to https client|first record does not look like a tls handshake",
        "the engine speaks no TLS there: is the port of `host` right?",
    ),
    _Rule(
        "http request to an https server|malformed http response",
        "the engine wants TLS there: give the target's `tls_ca_file`, `tls_cert_file` and `tls_key_file`",
    ),
    _Rule(
        "host key verification failed",
        "compare what `ssh-keyscan HOST` prints with the machine's own, and put it into `ssh_known_hosts_file`",
    ),
    _Rule(
        r"permission denied \(|too many authentication failures",
        "the public half of `ssh_key_file` must stand in the account's authorized_keys, and the file be ours alone",
    ),
    _Rule(
        "docker: (command )?not found",
        "install the docker client on that machine too, where a shell without login finds it",
    ),
    _UNREACHED,
    _Rule("container name .* is already in use", "another `up` of this service is at work", 0.5),
    _Rule("custom container name", "take `container_name` out of the compose file to scale the service"),
    _Rule(
        "port is already allocated|address already in use",
        "publish a range of ports, or none, to scale the service",
    ),
    _Rule(
        "no such image|pull access denied|image .*not found", "build or pull the image on the engine first"
    ),
    _Rule("no such service|service \\S+ not found", "is the service's `name` what Docker calls it?"),
    _Rule(
        "not a swarm manager|not part of a swarm", "point the target's `host` or `context` at a swarm manager"
    ),
    _Rule("only be used with replicated mode", "a global service has one task a node and no number"),
    _Rule("is not a docker command|unknown (shorthand )?flag", "install the compose plugin, 2.20 or newer"),
    _Rule(
        "no configuration file|no such file or directory|yaml:|validating |invalid project|invalid compose"
        "|undefined (service|network|volume)|depends on undefined",
        "`docker compose config` with the target's files shows the mistake",
    ),
)


def read(who: str, answer: Answer) -> errors.Temporary | errors.Permanent:
    """Return what to raise for a call that failed: Docker's own words, and the remedy where one is known.

    What nobody knows yet is Temporary: the caller's deadline bounds it, and the next listing judges.
    """
    words = plain(answer.said).rstrip(".")
    if answer.code in NOT_FOUND:
        return errors.Permanent(
            f"{who}: {words}; the scheduler needs `docker`, `timeout` and `env` on its PATH"
        )
    if answer.code in TIMED_OUT:
        return errors.Temporary(f"{who}: Docker did not answer in time {words}".rstrip(), delay=5.0)
    rule = _rule(answer)
    if rule:
        return _named(f"{who}: {words}; {rule.remedy}", rule.delay)
    return errors.Temporary(f"{who}: {words or f'docker ended with {answer.code}'}", delay=2.0)


def unreached(answer: Answer) -> bool:
    """Tell whether docker knows no more than that there is no connection."""
    return answer.code != 0 and _rule(answer) is _UNREACHED


def raced(answer: Answer) -> bool:
    """Tell whether somebody else's change of the same service came between."""
    return answer.code != 0 and "update out of sequence" in answer.said


def absent(answer: Answer) -> bool:
    """Tell whether nothing is wrong but that some of the services asked for are not there."""
    lines = [line for line in answer.said.splitlines() if line.strip()]
    return bool(lines) and all("no such service" in line.lower() for line in lines)


def plain(said: str) -> str:
    """Return the last two lines that are neither compose's progress nor a log line."""
    lines = [line.strip() for line in said.splitlines() if not line.startswith((" ", "time="))]
    return " ".join([line for line in lines if line][-2:])[:LONGEST]


def _rule(answer: Answer) -> _Rule | None:
    return next((rule for rule in _RULES if re.search(rule.pattern, answer.said, re.IGNORECASE)), None)


def _named(message: str, delay: float | None) -> errors.Temporary | errors.Permanent:
    return errors.Permanent(message) if delay is None else errors.Temporary(message, delay)
