"""Flags and environment: what is understood, what wins, and what a mistake is told."""

from pathlib import Path

import pytest

from concierge_courier import VERSION, options, sources
from concierge_proto import errors


def parse(*argv: str, **environ: str) -> options.Options:
    return options.parse(argv, environ)


def test_flags() -> None:
    chosen = parse(
        "run", "--service", "web", "--instance", "web-1", "--source", "dropwizard=/a", "--source",
        "dropwizard:b=/b", "--interval", "500ms", "--nats", "nats://n:1", "--grace", "1m", "--buffer", "2m",
        "--", "java", "-jar", "app.jar", "--", "--service", "x",
    )  # fmt: skip
    assert (chosen.service, chosen.instance, chosen.interval) == ("web", "web-1", 0.5)
    assert chosen.sources == ("dropwizard=/a", "dropwizard:b=/b")
    assert (chosen.nats.url, chosen.grace, chosen.buffer) == ("nats://n:1", 60, 2 * 1024 * 1024)
    assert {type(chosen.interval), type(chosen.buffer)} == {float, int}  # what the codec can write
    assert chosen.command == ("java", "-jar", "app.jar", "--", "--service", "x")


def test_environment_alone(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    chosen = parse(
        "run",
        CONCIERGE_SERVICE="web",
        CONCIERGE_SOURCES="dropwizard=/a  dropwizard:b=/b",
        CONCIERGE_BUFFER_AGE="5m",
        CONCIERGE_NATS__URL="nats://n:1",
        CONCIERGE_NATS__TOKEN_FILE=str(token),
        HOME="/root",
    )
    assert (chosen.service, chosen.buffer_age) == ("web", 300)
    assert chosen.sources == ("dropwizard=/a", "dropwizard:b=/b")
    assert (chosen.nats.url, chosen.nats.token_file) == ("nats://n:1", str(token))


def test_a_source_with_blanks_stands_in_quotes() -> None:
    chosen = parse("run", CONCIERGE_SERVICE="web", CONCIERGE_SOURCES="'exec=app stats --json' prometheus=/a")
    assert chosen.sources == ("exec=app stats --json", "prometheus=/a")


def test_a_coprocess_may_have_several_lines() -> None:
    script = "echo a\necho b"
    chosen = parse("run", "--service", "web", "--coprocess", f"sh -c '{script}'", "--coprocess", "proxy -q")
    assert chosen.coprocesses == (("sh", "-c", script), ("proxy", "-q"))


def test_a_flag_wins() -> None:
    chosen = parse(
        "run", "--service", "web", "--nats", "nats://a:1", CONCIERGE_SERVICE="api", CONCIERGE_NATS__URL="nats://b:1"
    )  # fmt: skip
    assert (chosen.service, chosen.nats.url) == ("web", "nats://a:1")


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "web.example.org")
    chosen = parse("run", "--service", "web")
    assert chosen.instance == "web-example-org"
    assert chosen.nats.url == "nats://127.0.0.1:4222"
    assert chosen.limits.patience < chosen.interval == 10


def test_a_delivery_leaves_time_for_its_receipt() -> None:
    chosen = parse("deliver", "--service", "web", "--source", "dropwizard=/a", "--within", "10s")
    assert chosen.limits.patience == 6


def test_a_discovery_ends_before_an_agent_ends_it() -> None:
    assert parse("discover", "timer", "--source", "dropwizard=/a").limits.patience == 2.5


@pytest.mark.parametrize(
    ("argv", "environ", "sentence"),
    [
        (["run"], {}, "--service NAME, or set CONCIERGE_SERVICE"),
        (["run", "--service", "Web!"], {}, "--service: service name 'Web!'"),
        (["run"], {"CONCIERGE_SERVICE": "Web!"}, "CONCIERGE_SERVICE: service name"),
        (["run", "--service", "web", "--instance", "a b"], {}, "--instance: instance name"),
        (["run", "--service", "web", "--interval", "10"], {}, "--interval: '10' is no duration"),
        (["run", "--service", "web"], {"CONCIERGE_INTERVAL": "soon"}, "CONCIERGE_INTERVAL: 'soon'"),
        (["run", "--service", "web", "--timeout", "10s"], {}, "less than the interval of 10s"),
        (["run", "--service", "web", "--interval", "0s"], {}, "--interval: more than 0s"),
        (["deliver", "--service", "web", "--source", "a=b", "--within", "0s"], {}, "--within: more than 0s"),
        (["run", "--service", "web", "--prefix", "jobs"], {}, "--prefix: 'jobs': write NAME=TEXT"),
        (["run", "--service", "web", "--json"], {}, "--json: goes with --dry-run"),
        (["run", "--service", "web", "--nats", "http://n:1"], {}, "nats.url: 'http://n:1' is no address"),
        (["run", "--service", "web", "--heartbeat", "0s"], {}, "--heartbeat"),
        (["run", "--service", "web", "--buffer", "much"], {}, "--buffer: 'much' is no size"),
        (["run", "--service", "web", "--nats-token-file", "/none"], {}, "nats.token_file: cannot read /none"),
        (["deliver", "--service", "web"], {}, "nothing to read"),
        (["discover", "timer"], {}, "nothing to read"),
        (["deliver", "--service", "web", "--", "java"], {}, "starts no application"),
    ],
)
def test_a_mistake_is_named(argv: list[str], environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(errors.Permanent, match=sentence):
        options.parse(argv, environ)


@pytest.mark.parametrize(
    "argv", [["run", "java"], ["run", "--sevrice", "web"], [], ["fly"], ["discover"], ["discover", "timers"]]
)
def test_an_unknown_word_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options.parse(argv, {})
    assert end.value.code == 2
    assert "usage: concierge-courier" in capsys.readouterr().err


@pytest.mark.parametrize("action", [[], ["run"], ["discover"], ["deliver"]])
def test_help_teaches(action: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options.parse([*action, "--help"], {})
    assert end.value.code == 0
    assert "example" in capsys.readouterr().out


def test_the_version_is_the_distributions() -> None:
    room = Path(__file__).parents[3] / "services/courier/pyproject.toml"
    assert f'\nversion = "{VERSION}"\n' in room.read_text()


class TestSources:
    def test_are_named_by_their_kind_or_by_you(self) -> None:
        made = sources.make(["dropwizard=http://127.0.0.1:1/m", "dropwizard:jobs=/run/m.json"])
        assert [source.name for source in made] == ["dropwizard", "jobs"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("dropwizard", "write KIND=LOCATION"),
            ("dropwizard=", "write KIND=LOCATION"),
            ("http://127.0.0.1/metrics", "write KIND=LOCATION"),
            ("statsd=/x", "there is no kind 'statsd', only dropwizard"),
            ("dropwizard=http:///metrics", "is no address"),
            ("dropwizard=http://host:port/metrics", "is no address"),
            ("prometheus=127.0.0.1:9102/metrics", "'127.0.0.1:9102/metrics' is no address: write http://"),
            ("prometheus=app:9102", "is no address: write http://"),
            ("json=ftp://host/x", "is no address: write http://"),
        ],
    )
    def test_a_mistake_is_named(self, text: str, sentence: str) -> None:
        with pytest.raises(errors.Permanent, match=sentence):
            sources.make([text])

    def test_two_of_one_name_are_refused(self) -> None:
        with pytest.raises(errors.Permanent, match="two sources are named 'dropwizard'"):
            sources.make(["dropwizard=/a", "dropwizard=/b"])

    def test_every_kind_has_its_module(self) -> None:
        assert len(sources.make([f"{kind}=/x" for kind in sources.KINDS])) == len(sources.KINDS)
