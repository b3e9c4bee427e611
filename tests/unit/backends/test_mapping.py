"""Somebody else's JSON, read by paths in the configuration."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_backends import registry
from concierge_proto import errors, messages, settings
from tests.unit.backends.said import NOW

FIELDS = {
    "event_id": "monitor.id",
    "status": "events[0].state",
    "service": "=web",
    "name": "monitor.name",
    "value": "events[0].ms",
    "started_at": "events[0].since",
    "action": "monitor.todo",
    "tags.team": "monitor.team",
}
BODY = {
    "monitor": {"id": 17, "name": "Slow shop", "team": "a", "todo": "scale_out 1"},
    "events": [{"state": "down", "ms": 912.5, "since": "2026-11-22T15:00:00Z"}],
}


def read(body: Any, fields: dict[str, str] = FIELDS, **rest: Any) -> list[messages.Trigger]:
    source = settings.Source(kind="generic", fields=fields, **rest)
    return registry.source("up", source, settings.Monitoring())(msgspec.json.encode(body), "up", NOW)


def test_reads_by_paths() -> None:
    (found,) = read(BODY)
    assert (found.event_id, found.status, found.service, found.name) == ("17", "problem", "web", "Slow shop")
    assert (found.value, found.action, found.tags) == ("912.5", "scale_out 1", {"team": "a"})
    assert found.started_at is not None


def test_a_recovery_is_the_same_incident() -> None:
    (problem,), (recovery,) = read(BODY), read({**BODY, "events": [{"state": "up"}]})
    assert (recovery.status, recovery.correlation_id) == ("resolved", problem.correlation_id)


def test_own_words() -> None:
    (found,) = read({"i": "a", "s": 2}, {"event_id": "i", "status": "s"}, problem=("2",), resolved=("3",))
    assert found.status == "problem"
    with pytest.raises(errors.Malformed, match=r"s: '1' is none of 3, 2"):
        read({"i": "a", "s": 1}, {"event_id": "i", "status": "s"}, problem=("2",), resolved=("3",))


def test_each_element_is_an_event() -> None:
    fields = {"event_id": "id", "status": "on"}
    found = read({"all": [{"id": 1, "on": True}, {"id": 2, "on": False}]}, fields, each="all")
    assert [one.status for one in found] == ["problem", "resolved"]
    with pytest.raises(errors.Malformed, match="all: not a list"):
        read({"all": {}}, fields, each="all")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**BODY, "monitor": {}}, r"monitor\.id: nothing stands there, and fields\.event_id looks there"),
        ({**BODY, "events": []}, r"events\[0\]\.state: nothing stands there"),
        (
            {**BODY, "events": [{"state": "up", "since": 5}]},
            r"at `events\[0\]\.since` \(fields\.started_at\)",
        ),
        ({**BODY, "monitor": {"id": [1]}}, r"monitor\.id: a single value"),
        ({**BODY, "events": [{"state": "odd"}]}, r"events\[0\]\.state: 'odd' is none of"),
        ("text", "event_id"),
    ],
)
def test_says_what_is_wrong(body: Any, said: str) -> None:
    with pytest.raises(errors.Malformed, match=said):
        read(body)


def test_says_which_of_the_events_it_is() -> None:
    fields = {"event_id": "id", "status": "on", "severity": "how.bad"}
    body = {"all": [{"id": 1, "on": True}, {"id": 2, "on": False, "how": {"bad": 9}}]}
    with pytest.raises(errors.Malformed, match=r"all\[1\]: .*`how\.bad` \(fields\.severity\)"):
        read(body, fields, each="all")


@pytest.mark.parametrize("given", ["=4", 4, "4", 4.0], ids=repr)
def test_a_severity_is_a_whole_number_however_it_is_written(given: Any) -> None:
    path = given if given == "=4" else "s"
    (found,) = read({"i": "a", "on": True, "s": given}, {"event_id": "i", "status": "on", "severity": path})
    assert found.severity == 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"event_id": "a"}, r"sources\.up\.fields: status is missing"),
        ({"event_id": "a", "status": "b..c"}, r"fields\.status: 'b\.\.c' is no path"),
        ({"event_id": "a", "status": "b", "colour": "c"}, r"fields\.colour: there is"),
    ],
)
def test_says_which_setting_is_wrong(fields: dict[str, str], said: str) -> None:
    with pytest.raises(errors.Permanent, match=said):
        read(BODY, fields)


def test_only_generic_sources_have_fields() -> None:
    source = settings.Source(kind="grafana", fields=FIELDS)
    with pytest.raises(errors.Permanent, match="only kind generic"):
        registry.source("up", source, settings.Monitoring())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "on", "x"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_read_or_malformed(body: Any) -> None:
    try:
        found = read(body, {"event_id": "id", "status": "x.on", "name": "x.id"})
    except errors.Malformed:
        return
    assert found[0].status in {"problem", "resolved"}
