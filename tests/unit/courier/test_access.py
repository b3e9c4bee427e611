"""What opens a source: from flags or the environment, checked at the start, read anew each time."""

from pathlib import Path

import pytest

from concierge_courier import options, sources
from concierge_courier.sources import access, fetch, port
from concierge_proto import errors

HTTP = "http://127.0.0.1:1/m"
HTTPS = "https://127.0.0.1:1/m"
BASE = ["run", "--service", "web"]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    return path


def test_flags_and_environment_say_the_same(secret: Path) -> None:
    words = [*BASE, "--source-token-file", f"a={secret}", "--source-user", "b=me"]
    flags = options.parse([*words, "--source-password-file", f"b={secret}"], {})
    environ = {
        "CONCIERGE_SOURCE_TOKEN_FILE": f"a={secret}",
        "CONCIERGE_SOURCE_USER": "b=me",
        "CONCIERGE_SOURCE_PASSWORD_FILE": f"b={secret}",
    }
    assert flags.keys == options.parse(BASE, environ).keys
    assert flags.keys == {
        "a": access.Access(token_file=str(secret)),
        "b": access.Access(user="me", password_file=str(secret)),
    }


def test_several_in_one_variable() -> None:
    found = options.parse(BASE, {"CONCIERGE_SOURCE_TOKEN_FILE": "a=/x b=/y"}).keys
    assert {name: keys.token_file for name, keys in found.items()} == {"a": "/x", "b": "/y"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--source-token-file", "/run/token"], "--source-token-file: '/run/token': write NAME=FILE"),
        (["--source-user", "a="], "write NAME=USER"),
        (["--source-user", "a=x", "--source-user", "a=y"], "said twice for 'a'"),
    ],
)
def test_a_wrong_flag_is_named(words: list[str], sentence: str) -> None:
    with pytest.raises(errors.Permanent, match=sentence):
        options.parse([*BASE, *words], {})


def test_help_explains_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["deliver", "--help"], {})
    said = capsys.readouterr().out
    assert "--source-token-file NAME=FILE" in said
    assert "--source-ca-file NAME=FILE" in said


def test_only_a_source_that_asks_is_opened(secret: Path) -> None:
    keys = {"dropwizard": access.Access(token_file=str(secret))}
    assert sources.make([f"dropwizard={HTTP}"], keys)
    with pytest.raises(errors.Permanent, match="no source is named 'dropwizard'"):
        sources.make([f"dropwizard:web={HTTP}"], keys)
    with pytest.raises(errors.Permanent, match="nobody asks at a file"):
        sources.make(["dropwizard=/run/metrics.json"], keys)
    with pytest.raises(errors.Permanent, match="source container: it asks nobody"):
        sources.make(["container"], {"container": keys["dropwizard"]})


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"token_file": "F", "user": "u", "password_file": "F"}, "a token or a user"),
        ({"user": "u"}, "go together"),
        ({"password_file": "F"}, "go together"),
        ({"user": "a:b", "password_file": "F"}, "no colon"),
        ({"key_file": "F"}, "a key without its certificate"),
        ({"token_file": "F.missing"}, "cannot read .*missing: No such file"),
        ({"ca_file": "F"}, "no certificate or key of use"),
        ({"cert_file": "F"}, "no certificate or key of use"),
    ],
)
def test_a_contradiction_is_found_at_the_start(keys: dict[str, str], sentence: str, secret: Path) -> None:
    named = {name: value.replace("F", str(secret)) for name, value in keys.items()}
    with pytest.raises(errors.Permanent, match=f"source app: .*{sentence}"):
        fetch.opener(HTTPS, access.Access(**named), "app")


def test_a_certificate_needs_tls(secret: Path) -> None:
    for location in (HTTP, "unix:/run/app.sock:/m"):
        with pytest.raises(errors.Permanent, match="https:// alone"):
            fetch.opener(location, access.Access(ca_file=str(secret)), "app")


def test_a_secret_is_read_anew(secret: Path) -> None:
    keys = access.Access(token_file=str(secret))
    assert keys.headers("app") == {"Authorization": "Bearer s3cret"}
    secret.write_text("n3w")
    assert keys.headers("app") == {"Authorization": "Bearer n3w"}


@pytest.mark.parametrize("content", [b"", b"\n", b"a\r\nX-Evil: 1", b"\xff\xfe", "tökén".encode()])
def test_a_secret_that_is_none_never_becomes_a_header(secret: Path, content: bytes) -> None:
    secret.write_bytes(content)
    with pytest.raises(errors.Temporary) as caught:
        access.Access(token_file=str(secret)).headers("app")
    assert str(secret) in str(caught.value)
    assert "Evil" not in str(caught.value)


def test_a_password_may_have_any_letter(secret: Path) -> None:
    secret.write_text("pä:ß")
    assert access.Access(user="me", password_file=str(secret)).headers("app") == {
        "Authorization": "Basic bWU6cMOkOsOf"
    }


@pytest.mark.parametrize("kind", ["container", "process"])
@pytest.mark.parametrize("text", ["{}", "{}:mine"])
def test_some_sources_need_no_location(kind: str, text: str) -> None:
    (source,) = sources.make([text.format(kind)])
    assert source.name == ("mine" if ":" in text else kind)
    assert not isinstance(source, port.Locked)


def test_a_password_in_a_source_that_is_misspelt_is_not_told() -> None:
    for text in ("http://me:hunter2@host/m", "dropwizzard=http://me:hunter2@host/m?token=hunter2"):
        with pytest.raises(errors.Permanent) as caught:
            sources.make([text])
        assert "hunter2" not in str(caught.value)
