"""Restart policies: what is understood, and what they say of an end."""

import math

import pytest

from concierge_courier import again
from concierge_proto import errors


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("no", again.Policy(0)),
        ("3", again.Policy(3)),
        ("always", again.Policy(math.inf)),
        ("on-failure", again.Policy(math.inf, failures_only=True)),
        ("on-failure:2", again.Policy(2, failures_only=True)),
    ],
)
def test_understood(text: str, policy: again.Policy) -> None:
    assert again.parse(text) == policy


@pytest.mark.parametrize("text", ["", "never", "-1", "1.5", "on-failure:", "on-failure:x", "always:3"])
def test_refused(text: str) -> None:
    with pytest.raises(errors.Malformed, match="on-failure"):
        again.parse(text)


def test_never() -> None:
    assert again.Ends(again.NEVER).after(1, 0.0) is None


def test_pauses_double_up_to_a_minute() -> None:
    ends = again.Ends(again.ALWAYS)
    pauses = [ends.after(0, 0.0) for _ in range(5000)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == 60
    assert ends.total == 5000


def test_a_limit_counts_what_follows_one_another() -> None:
    ends = again.Ends(again.Policy(2))
    assert [ends.after(1, 1.0) for _ in range(3)] == [0.1, 0.2, None]
    assert ends.after(1, again.STEADY) == 0.1  # that start was a good one


def test_a_good_end_is_no_failure() -> None:
    ends = again.Ends(again.parse("on-failure"))
    assert ends.after(7, 0.0) == 0.1
    assert ends.after(0, 0.0) is None
