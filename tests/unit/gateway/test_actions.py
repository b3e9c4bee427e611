"""The words that say what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_gateway import actions
from concierge_proto import errors, settings


@pytest.mark.parametrize(
    ("text", "verb", "amount"),
    [
        ("scale_out 1", "scale_out", 1),
        ("scale_in 12", "scale_in", 12),
        ("scale_to 0", "scale_to", 0),
        ("  scale_out \t 2\n", "scale_out", 2),
    ],
)
def test_what_is_understood(text: str, verb: str, amount: int) -> None:
    assert actions.parse(text) == (verb, amount, None)


@pytest.mark.parametrize(
    ("text", "verb", "arguments"),
    [
        ("restart", "restart", {}),
        ("restart web-3", "restart", {"instance": "web-3"}),
        ("signal hup", "signal", {"signal": "HUP"}),
        (" signal  SIGUSR1 web-3", "signal", {"signal": "USR1", "instance": "web-3"}),
        ("resize cpus=1.5", "resize", {"cpus": "1.5"}),
        ("resize memory=512m", "resize", {"memory": "536870912"}),
        ("resize memory=1g cpus=2", "resize", {"cpus": "2", "memory": "1073741824"}),
    ],
)
def test_what_else_is_understood(text: str, verb: str, arguments: dict[str, str]) -> None:
    assert actions.parse(text) == (verb, 0, arguments)
    assert actions.parse(str(actions.parse(text))) == (verb, 0, arguments)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "use scale_out N, scale_in N or scale_to N"),
        ("scale_up 1", "'scale_up 1': use scale_out N"),
        ("SCALE_OUT 1", "use scale_out N"),
        ("scale_out", "scale_out needs a whole number, as in `scale_out 1`"),
        ("scale_out two", "needs a whole number"),
        ("scale_out -1", "needs a whole number"),
        ("scale_out 1.5", "needs a whole number"),
        ("scale_out 1 2", "needs a whole number"),
        ("scale_out \N{ARABIC-INDIC DIGIT ONE}", "needs a whole number"),
        ("scale_out " + "9" * 5000, "needs a whole number"),
        ("scale_in 0", "a step of 0 does nothing"),
        ("scale_to", "scale_to needs"),
        ("restart {HOST.HOST}", "an instance is one name"),
        ("restart *UNKNOWN*", "an instance is one name"),
        ("restart web 1", "an instance is one name"),
        ("signal", "signal needs one of HUP"),
        ("signal STOP", "signal needs one of HUP"),
        ("resize", "resize needs cpus, memory or both"),
        ("resize cpus=0", "resize needs cpus"),
        ("resize cpus=1 cpus=2", "resize needs cpus"),
        ("resize disk=1", "resize needs cpus"),
        ("resize memory=much", "resize needs cpus"),
        ("resize memory=0", "some memory"),
    ],
)
def test_what_is_not(text: str, complaint: str) -> None:
    with pytest.raises(errors.Malformed) as caught:
        actions.parse(text)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.text())
def test_any_text_is_an_action_or_malformed(text: str) -> None:
    try:
        action = actions.parse(text)
    except errors.Malformed:
        return
    assert actions.parse(str(action)) == action


def test_prose_is_no_action() -> None:
    assert actions.meant("scale_out 1")
    assert actions.meant(" scale out, please")
    assert actions.meant("restart web-3")
    assert not actions.meant("Problem: High load on web")
    assert not actions.meant("Restarted: web")
    assert not actions.meant("")


def configured(**service: object) -> settings.Settings:
    tree = {
        "targets": {"shop": {"kind": "compose"}},
        "services": {"web": {"target": "shop", "max": 3, **service}},
    }
    return settings.parse(tree, "test")


def test_the_path_of_a_wrong_action_is_named() -> None:
    actions.check(configured(rules=[{"action": "scale_out 1"}]))
    with pytest.raises(errors.Permanent, match=r"^services\.web\.rules\[1\]: action 'scale_up'"):
        actions.check(configured(rules=[{"action": "scale_out 1"}, {"action": "scale_up"}]))
    with pytest.raises(errors.Permanent, match=r"^services\.web\.triggers\[0\]: action 'more'"):
        actions.check(configured(triggers=[{"name": "t", "metric": "heard", "above": 1, "action": "more"}]))
