"""The flags of an application's life."""

import os

import pytest

from concierge_courier import again, options
from concierge_proto import errors


def parse(*argv: str, **environ: str) -> options.Options:
    return options.parse(argv, environ)


def test_flags() -> None:
    chosen = parse(
        "run", "--service", "web", "--pre-start", "app migrate 'to the top'", "--pre-start-timeout", "1m",
        "--post-stop", "app clean", "--coprocess", "proxy -q", "--coprocess", "sh -c 'x | y'",
        "--coprocess-restarts", "5", "--restarts", "on-failure:3", "--health", "app  ok",
        "--health-interval", "1s", "--health-timeout", "500ms", "--health-retries", "2", "--", "app",
    )  # fmt: skip
    assert chosen.pre_start == ("app", "migrate", "to the top")
    assert chosen.pre_start_timeout == 60
    assert chosen.post_stop == ("app", "clean")
    assert chosen.coprocesses == (("proxy", "-q"), ("sh", "-c", "x | y"))
    assert chosen.coprocess_restarts == again.Policy(5)
    assert chosen.restarts == again.Policy(3, failures_only=True)
    assert chosen.health == "app ok"
    assert (chosen.health_interval, chosen.health_timeout, chosen.health_retries) == (1, 0.5, 2)


def test_environment() -> None:
    chosen = parse(
        "run", "--", "app",
        CONCIERGE_SERVICE="web", CONCIERGE_PRE_START="app migrate", CONCIERGE_COPROCESSES="proxy -q\n\nlogs -f\n",
        CONCIERGE_RESTARTS="always", CONCIERGE_HEALTH="http://127.0.0.1:1/ok", CONCIERGE_RUNTIME_DIR="/run/c",
    )  # fmt: skip
    assert chosen.pre_start == ("app", "migrate")
    assert chosen.coprocesses == (("proxy", "-q"), ("logs", "-f"))
    assert chosen.restarts == again.ALWAYS
    assert (chosen.health, chosen.runtime_dir) == ("http://127.0.0.1:1/ok", "/run/c")


def test_defaults() -> None:
    chosen = parse("run", "--service", "web", "--", "app")
    assert (chosen.restarts, chosen.coprocess_restarts) == (again.NEVER, again.ALWAYS)
    assert (chosen.health, chosen.pre_start, chosen.coprocesses) == ("", (), ())
    assert chosen.runtime_dir == f"/tmp/concierge-courier-{os.getuid()}"


def test_the_switch_needs_neither_service_nor_nats() -> None:
    chosen = parse("maintenance", "on", CONCIERGE_INSTANCE="web-1")
    assert (chosen.action, chosen.switch, chosen.instance) == ("maintenance", "on", "web-1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--restarts", "never"], "--restarts: 'never': write `no`, a number"),
        (["--coprocess-restarts", "x"], "--coprocess-restarts: 'x'"),
        (["--coprocess", "a 'b"], "--coprocess: No closing quotation"),
        (["--pre-start", "a 'b"], "--pre-start: No closing quotation"),
        (["--pre-start", " "], "--pre-start: ' ' is no command"),
        (["--health-retries", "0"], "--health-retries: '0' is no number from 1"),
        (["--health-interval", "0s"], "--health-interval: more than 0s"),
        (["--health-timeout", "0s"], "--health-timeout: more than 0s"),
        (["--pre-start-timeout", "0s"], "--pre-start-timeout: more than 0s"),
        (["--restarts", "3"], "there is no application to start"),
    ],
)
def test_a_mistake_is_named(words: list[str], sentence: str) -> None:
    with pytest.raises(errors.Permanent, match=sentence):
        options.parse(["run", "--service", "web", *words], {})
