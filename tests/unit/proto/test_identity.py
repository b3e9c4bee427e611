"""Ids: the same input is the same id, on any machine, in any version."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_proto import identity

FORM = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
PARTS = st.lists(st.text(max_size=8), max_size=4)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), "73p324567w3ga9nyzms2cpze94"),
        (("incident", "zabbix", "4711"), "78kbxat2zkkhf73z1457hbc06x"),
        (("trigger", "zabbix", "4711", "problem", "12:00:00"), "21745axx3bfpbja20tmx4hhyx7"),
        (("command", "größe", "\ud800"), "7ddafd1qcxmfe05jzm9ary738b"),
    ],
)
def test_a_derived_id_never_changes(parts: tuple[str, ...], expected: str) -> None:
    assert identity.derive(*parts) == expected


@given(PARTS, PARTS)
def test_ids_are_equal_just_when_the_parts_are(one: list[str], other: list[str]) -> None:
    assert (identity.derive(*one) == identity.derive(*other)) == (one == other)


@given(st.text(min_size=1, max_size=12), st.data())
def test_where_one_part_ends_matters(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    other = data.draw(st.integers(0, len(text)).filter(lambda at: at != cut))
    assert identity.derive(text[:cut], text[cut:]) != identity.derive(text[:other], text[other:])
    assert identity.derive(text[:cut], text[cut:]) != identity.derive(text)


@given(PARTS)
def test_a_derived_id_is_safe_in_a_subject_a_header_and_a_key(parts: list[str]) -> None:
    assert FORM.fullmatch(identity.derive(*parts))


def test_minted_ids_differ_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for second in range(1, 300):
        monkeypatch.setattr(time, "time_ns", lambda now=second: now * 1_000_000_000)
        made += [identity.mint(), identity.mint()]
    assert len(set(made)) == len(made)
    assert all(FORM.fullmatch(one) for one in made)
    assert made[::2] == sorted(made[::2])
    assert max(made[:100]) < min(made[100:])
