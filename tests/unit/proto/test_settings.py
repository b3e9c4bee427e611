"""The configuration: what it defaults to, and how it says what is wrong with it."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_proto import errors, settings
from tests.unit import golden

SHOP: dict[str, Any] = tomllib.loads("""
    [targets.shop]
    kind = "compose"

    [gateway.sources.zabbix]
    kind = "zabbix"

    [services.web]
    target = "shop"
    max = 3

    [[services.web.rules]]
    action = "scale_out 1"

    [[services.web.triggers]]
    name = "High load"
    metric = "gauge[load,value]"
    above = 0.8
    action = "scale_out 1"
""")


TWINS = 2 * SHOP["services"]["web"]["triggers"]


def read(text: str) -> settings.Settings:
    return settings.parse(tomllib.loads(text), "concierge.toml")


def spoil(path: str, value: object) -> dict[str, Any]:
    """The shop, with one thing changed."""
    tree: Any = msgspec.json.decode(msgspec.json.encode(SHOP))
    *parents, leaf = path.split(".")
    at = tree
    for part in parents:
        at = at[int(part)] if part.isdigit() else at.setdefault(part, {})
    at[leaf] = value
    return tree  # type: ignore[no-any-return]


def plainly(value: object) -> float:
    return float(value) if isinstance(value, float) else int(str(value))


def test_the_promised_defaults() -> None:
    """Run `make docs` after a change that users are told about."""
    shop = settings.parse(SHOP, "concierge.toml")
    process = settings.Process(command=("web",))
    plain = msgspec.json.encode({"settings": shop, "process": process}, enc_hook=plainly)
    made = msgspec.json.format(plain, indent=1) + b"\n"
    assert golden.pinned(Path(__file__).parent / "golden" / "defaults.json", made) == made


def test_an_empty_file_is_a_configuration() -> None:
    assert read("") == settings.Settings() == settings.load(None, {})
    assert settings.Settings().monitoring.backends == ("embedded",)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("natz", {}, "unknown key `natz`"),
        ("nats.uri", "x", "unknown key `uri` - at `nats`"),
        ("services.web.mx", 3, "unknown key `mx` - at `services.web`"),
        ("services.web.max", "3", "Expected `int`, got `str` - at `services.web.max`"),
        ("services.web.max", 0, "Expected `int` >= 1 - at `services.web.max`"),
        ("services.web.min", -1, "Expected `int` >= 0 - at `services.web.min`"),
        ("services.web.min", 4, "services.web: min = 4 is more than max = 3"),
        ("services.web.target", "shp", "services.web.target: there is no [targets.shp]"),
        ("services.web.cooldown_in", "5", "'5' is no duration: write `30s`"),
        ("services.web.cooldown_in", 5, "`500ms` or `7d` - at `services.web.cooldown_in`"),
        ("services.web.rules.0.acton", "x", "unknown key `acton` - at `services.web.rules[0]`"),
        ("services.web.triggers.0.for", "x", "'x' is no duration"),
        ("services.web.triggers.0.below", 0.1, "services.web.triggers: 'High load': give `above` or `below`"),
        ("services.web.triggers", TWINS, "services.web.triggers: two are called 'High load': give each"),
        ("services.Web", {"target": "shop", "max": 1}, "service name 'Web'"),
        ("services.api", {"target": "shop"}, "missing required field `max` - at `services.api`"),
        ("targets.Shop", {"kind": "swarm"}, "target name 'Shop'"),
        ("targets.shop.kind", "k8s", "Invalid enum value 'k8s' - at `targets.shop.kind`"),
        ("targets.shop.kind", "process", "target shop starts processes: add [services.web.process]"),
        ("gateway.sources.zabbix.kind", "zabix", "at `gateway.sources.zabbix.kind`"),
        ("gateway.sources.a.b", {}, "at `gateway.sources.a`"),
        ("gateway.max_body", "1 GB", "'1 GB' is no size: write `512k`"),
        ("monitoring.backends", "zabbix", "Expected `array`, got `str` - at `monitoring.backends`"),
    ],
)
def test_a_mistake_is_named_with_its_path(path: str, value: object, said: str) -> None:
    with pytest.raises(errors.Permanent) as caught:
        settings.parse(spoil(path, value), "concierge.toml")
    assert str(caught.value).startswith("concierge.toml: ")
    assert said in str(caught.value)


class TestFile:
    def write(self, folder: Path, text: str | bytes) -> Path:
        file = folder / "concierge.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def test_it_is_read(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, '[nats]\nurl = "nats://bus:4222"\n')
        assert settings.load(file, {}).nats.url == "nats://bus:4222"

    def test_one_that_is_missing_says_how_to_get_one(self, tmp_path: Path) -> None:
        with pytest.raises(errors.Permanent, match=r"cannot read .*none\.toml: No such file.*concierge init"):
            settings.load(tmp_path / "none.toml", {})

    @pytest.mark.parametrize("text", [b"[nats", b"\xff\xfe", b"a = 1\na = 2", b"a = \x00"])
    def test_one_that_is_no_toml_is_named(self, tmp_path: Path, text: bytes) -> None:
        with pytest.raises(errors.Permanent, match=r"concierge\.toml: "):
            settings.load(self.write(tmp_path, text), {})

    @pytest.mark.parametrize("key", ["secret", "token", "password", "api_token"])
    def test_a_secret_in_it_is_refused_and_not_repeated(self, tmp_path: Path, key: str) -> None:
        file = self.write(tmp_path, f'[gateway.sources.zabbix]\nkind = "zabbix"\n{key} = "hunter2"\n')
        with pytest.raises(errors.Permanent, match=f"gateway.sources.zabbix.{key}: secrets do not") as caught:
            settings.load(file, {})
        assert f"`{key}_file`" in str(caught.value)
        assert "hunter2" not in str(caught.value)


class TestEnvironment:
    @pytest.mark.parametrize(
        ("name", "value", "path", "expected"),
        [
            ("CONCIERGE_NATS__URL", "nats://bus:4222", "nats.url", "nats://bus:4222"),
            ("CONCIERGE_NATS__PORT", "4222", "nats.port", 4222),
            ("CONCIERGE_GATEWAY__MAX_BODY", "2m", "gateway.max_body", 2 * 1024**2),
            ("CONCIERGE_GATEWAY__LISTEN", "0.0.0.0:80", "gateway.listen", "0.0.0.0:80"),
            ("CONCIERGE_MONITORING__BACKENDS", '["zabbix"]', "monitoring.backends", ("zabbix",)),
            ("CONCIERGE_MONITORING__ZABBIX__TIMEOUT", "2s", "monitoring.zabbix.timeout", 2.0),
        ],
    )
    def test_it_overrides_the_file(self, name: str, value: str, path: str, expected: object) -> None:
        found: Any = settings.load(None, {name: value})
        for part in path.split("."):
            found = getattr(found, part)
        assert found == expected

    def test_it_reaches_a_service_of_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "concierge.toml"
        file.write_text('[targets.shop]\nkind = "swarm"\n[services.web]\ntarget = "shop"\nmax = 3\n')
        found = settings.load(file, {"CONCIERGE_SERVICES__WEB__MAX": "9"}).services["web"]
        assert (found.max, found.target) == (9, "shop")

    def test_other_variables_are_none_of_ours(self) -> None:
        assert settings.environment({"CONCIERGE_CONFIG": "x", "PATH": "y", "NATS__URL": "z"}) == {}

    @pytest.mark.parametrize(
        ("environ", "said"),
        [
            ({"CONCIERGE_NATS__URI": "x"}, "environment: unknown key `uri` - at `nats`"),
            ({"CONCIERGE_NATS__PORT": "x"}, "environment: Expected `int`, got `str` - at `nats.port`"),
            ({"CONCIERGE_NATS__URL": "x", "CONCIERGE_NATS__URL__X": "y"}, "nats.url.x: `url` is a value"),
        ],
    )
    def test_a_mistake_in_it_is_named(self, environ: dict[str, str], said: str) -> None:
        with pytest.raises(errors.Permanent) as caught:
            settings.load(None, environ)
        assert said in str(caught.value)

    @given(st.dictionaries(st.from_regex(r"CONCIERGE_[A-Z_]{1,20}", fullmatch=True), st.text(), max_size=3))
    def test_nothing_in_it_breaks_the_reader(self, environ: dict[str, str]) -> None:
        try:
            assert isinstance(settings.load(None, environ), settings.Settings)
        except errors.Permanent as error:
            assert "environment" in str(error)  # noqa: PT017 - either answer is right


class TestSecret:
    def test_one_a_line_and_the_line_is_all_of_it(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text("  new secret \n\nold\n")
        assert settings.read_secret(str(file), "nats.password_file") == ["new secret", "old"]

    @pytest.mark.parametrize(
        ("content", "said"),
        [(b"", "is empty"), (b" \n\n", "is empty"), (b"\xff\xfe", "not UTF-8"), (None, "No such file")],
    )
    def test_what_cannot_be_read_is_named(self, tmp_path: Path, content: bytes | None, said: str) -> None:
        file = tmp_path / "secret"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(errors.Permanent, match=f"nats.token_file: .*{said}"):
            settings.read_secret(str(file), "nats.token_file")

    def test_a_folder_is_no_secret(self, tmp_path: Path) -> None:
        with pytest.raises(errors.Permanent, match="Is a directory"):
            settings.read_secret(str(tmp_path), "nats.token_file")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("7d", 604_800), ("0s", 0), ("1.5s", 1.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert settings.Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5 s", "5S", "5w", "1e3s", "٣s", 5.5, None, "9" * 13 + "s"]
)
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        settings.Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("512k", 524_288), ("128m", 2**27), ("128Mb", 2**27), ("2g", 2**31), ("1.5k", 1536), ("8", 8), (7, 7)],
)
def test_sizes(text: object, count: int) -> None:
    assert settings.Size.parse(text) == count


@pytest.mark.parametrize("text", ["", "k", "-1k", "1 k", "1t", "٣k", None, True, 1.5, "9" * 400])
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match="is no size"):
        settings.Size.parse(text)
