"""Labels become a policy, or name what is wrong with them."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_proto import settings
from concierge_proto.settings import labels
from tests.unit.house import tree

GOOD = {"concierge.enable": "true", "concierge.max": "5"}
MOST = 10


def policy(**changed: str) -> settings.Service:
    more = {f"concierge.{key}": value for key, value in changed.items()}
    return labels.policy("shop", "shop_web", {**GOOD, **more}, MOST)


def test_two_labels_are_enough() -> None:
    assert policy() == settings.Service(target="shop", name="shop_web", max=5)


def test_every_plain_key_and_table() -> None:
    made = policy(
        **{
            "min": "2",
            "cooldown-out": "10s",
            "cooldown-in": "1m",
            "cooldown-act": "2m",
            "fresh": "15s",
            "heard": "false",
            "converge": "90s",
            "settle": "500ms",
            "drift-hold": "1h",
            "dry-run": "true",
            "limit-out.instances": "3",
            "limit-out.per": "1h",
            "limit-in.percent": "50",
            "resize.max-cpus": "1.5",
            "resize.max-memory": "512m",
            "aggregates": "gauge[load,value]; gauge[a,b,max]",
            "rules.load.trigger": "High load*",
            "rules.load.action": "scale_out 1",
            "rules.load.repeat-every": "2m",
            "rules.load.severity": "3",
            "rules.load.tags.my-scope": "web*",
            "rules.calm.action": "restart",
            "service": "web",
            "intent": "ours",
        }
    )
    assert set(labels.PLAIN) <= {field.name for field in msgspec.structs.fields(settings.Service)}
    assert [float(one) for one in (made.min, made.cooldown_out, made.drift_hold)] == [2, 10, 3600]
    assert (made.heard, made.dry_run) == (False, True)
    assert (made.limit_out, made.limit_in) == (
        settings.Limit(instances=3, per=settings.Duration(3600)),
        settings.Limit(percent=50),
    )
    assert made.resize == settings.Room(max_cpus=1.5, max_memory=settings.Size(512 * 1024**2))
    assert made.aggregates.metrics == ("gauge[load,value]", "gauge[a,b,max]")
    assert made.rules == (
        settings.Rule(action="restart"),
        settings.Rule(
            trigger="High load*",
            action="scale_out 1",
            severity=3,
            tags={"my-scope": "web*"},
            repeat_every=settings.Duration(120),
        ),
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("max", "many", "concierge.max=many: expected `int`, got `str`; write a whole number"),
        ("max", "0", "concierge.max=0: expected `int` >= 1"),
        ("max", "11", "concierge.max=11: the file allows 10: lower it, or raise `targets.shop.labels_max`"),
        ("min", "6", "concierge.min=6: it is more than concierge.max=5"),
        ("min", "-1", "concierge.min=-1: expected `int` >= 0"),
        ("cooldown-out", "30", "concierge.cooldown-out=30: '30' is no duration: write `30s`"),
        ("resize.max-memory", "much", "concierge.resize.max-memory=much: 'much' is no size"),
        ("heard", "maybe", "concierge.heard=maybe: expected `bool`, got `str`; write `true` or `false`"),
        ("mx", "5", "concierge.mx: there is no such label"),
        ("limit-out", "5", "concierge.limit-out: there is no such label"),
        ("process.command", "sh", "concierge.process.command: there is no such label"),
        ("target", "other", "concierge.target: there is no such label"),
        ("rules.load.action", "explode", "concierge.rules.load.action=explode: an action begins with one of"),
        ("rules.load.trigger", "x", "concierge.rules: a rule needs an action"),
        ("aggregates", "load", "concierge.aggregates=load: metric 'load': write KIND"),
        ("resize.max-cpus", "nan", "concierge.resize.max-cpus=nan: "),
    ],
)
def test_a_mistake_names_label_value_and_remedy(key: str, value: str, said: str) -> None:
    with pytest.raises(labels.Wrong) as caught:
        policy(**{key: value})
    assert str(caught.value).startswith(said)


def test_without_a_bound_there_is_no_policy() -> None:
    with pytest.raises(labels.Wrong, match=r"concierge\.max: it is missing"):
        labels.policy("shop", "web", {"concierge.enable": "true"}, MOST)


@pytest.mark.parametrize(("said", "meant"), [("true", True), ("TRUE", True), ("false", False)])
def test_enabled(said: str, meant: bool) -> None:
    assert labels.enabled({"concierge.enable": said}) is meant


def test_enabled_is_said_in_so_many_words() -> None:
    assert not labels.enabled({"concierge.max": "5"})
    with pytest.raises(labels.Wrong, match="write `true` or `false`"):
        labels.enabled({"concierge.enable": "yes"})


def test_a_name_of_docker_that_is_none_of_ours() -> None:
    assert labels.name("shop_web", {"concierge.service": "shop-web"}) == "shop-web"
    with pytest.raises(labels.Wrong, match=r"shop_web.*by the label concierge\.service=NAME"):
        labels.name("shop_web", {})


def test_the_book_lists_them_all() -> None:
    page = (tree.ROOT / "docs" / "scaling.md").read_text("utf-8")
    told = set(re.findall(r"^\| `concierge\.([a-z-]+)", page, re.MULTILINE))
    known = {key.replace("_", "-") for key in (*labels.PLAIN, *labels.TABLES)}
    assert told == known | {"enable", "service", "aggregates", "rules"}


KEYS = [
    *(key.replace("_", "-") for key in labels.PLAIN),
    "limit-out.per",
    "rules.a.action",
    "x",
    "rules",
    ".",
]


VALUES = st.sampled_from(["1", "5", "30s", "true", "scale_out 1"]) | st.text(max_size=12)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=12), VALUES, max_size=6))
def test_whatever_it_says_a_policy_keeps_the_bounds_or_the_label_is_named(said: dict[str, str]) -> None:
    written = {f"concierge.{key}": value for key, value in said.items()}
    found = tried(written)
    if isinstance(found, settings.Service):
        assert 0 <= found.min <= found.max <= MOST
    else:
        assert found.label in {*written, "concierge.max", "concierge.min", "concierge.rules"}
        assert found.reason


def tried(written: dict[str, str]) -> settings.Service | labels.Wrong:
    try:
        return labels.policy("shop", "web", written, MOST)
    except labels.Wrong as error:
        return error


@given(
    st.integers(0, 12),
    st.integers(1, 12),
    st.sampled_from(["10s", "5m", "1h30m"]),
    st.booleans(),
)
def test_labels_say_what_the_file_would_say(low: int, high: int, pause: str, dry: bool) -> None:
    said = {"min": str(low), "max": str(high), "cooldown-in": pause, "dry-run": str(dry).lower()}
    table = {"target": "shop", "name": "web", "min": low, "max": high, "cooldown_in": pause, "dry_run": dry}
    written = {
        "targets": {"shop": {"kind": "compose", "labels": True, "labels_max": MOST}},
        "services": {"web": table},
    }
    good = low <= high <= MOST
    try:
        made = labels.policy("shop", "web", {f"concierge.{key}": value for key, value in said.items()}, MOST)
    except labels.Wrong:
        assert not good
    else:
        assert good
        assert made == settings.parse(written, "test").services["web"]
