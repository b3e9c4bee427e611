"""What an operator may say to `concierge scale`."""

import pytest

from concierge_cli import scale
from concierge_proto import errors, settings
from concierge_proto.bus import orders

CONFIG = settings.parse(
    {"targets": {"shop": {"kind": "compose"}}, "services": {"web": {"target": "shop", "max": 5}}}, "test"
)


@pytest.mark.parametrize(
    ("said", "verb", "amount"),
    [("+1", "scale_out", 1), ("-2", "scale_in", 2), ("3", "scale_to", 3), ("0", "scale_to", 0)],
)
def test_counts(said: str, verb: str, amount: int) -> None:
    command = scale.command(CONFIG, "web", said, "a sale")
    assert (command.verb, command.amount, command.target) == (verb, amount, "shop")
    assert command.manual
    assert command.reason == "a sale"
    assert command.expires_at > command.issued_at


@pytest.mark.parametrize("said", ["", "+", "one", "1.5", "+-1", "1 2"])
def test_odd_counts_are_named(said: str) -> None:
    with pytest.raises(errors.Malformed, match="write 3"):
        scale.command(CONFIG, "web", said, "")


def test_an_unknown_service_is_named_with_the_known() -> None:
    with pytest.raises(errors.Malformed, match=r"no service 'wep'.*web"):
        scale.command(CONFIG, "wep", "1", "")


def test_two_commands_are_never_the_same() -> None:
    assert scale.command(CONFIG, "web", "1", "").id != scale.command(CONFIG, "web", "1", "").id


@pytest.mark.parametrize("length", ["0s", "8d", "soon", ""])
def test_a_hold_has_an_end(length: str) -> None:
    with pytest.raises(errors.Malformed, match="for"):
        orders.hold("in", length)


def test_a_hold_has_a_direction() -> None:
    assert (orders.hold("in", "1h").arguments or {})["direction"] == "in"
    with pytest.raises(errors.Malformed, match="both, in, out"):
        orders.hold("up", "1h")


def test_the_same_key_of_the_same_operator_is_the_same_command() -> None:
    first, again, other = (
        orders.command(CONFIG, "web", orders.Order("scale_out", 1), owner=owner, key="k")
        for owner in ("ann", "ann", "bob")
    )
    assert (first.id, first.correlation_id) == (again.id, again.correlation_id)
    assert first.id != other.id
