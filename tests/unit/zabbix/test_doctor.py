"""What the doctor judges without a server."""

import time
from typing import Any

import pytest

from concierge_backends.zabbix import doctor
from concierge_backends.zabbix.doctor import load, probe, recipient, road
from concierge_proto import settings


@pytest.mark.parametrize(
    ("period", "whole"),
    [
        ("1-7,00:00-24:00", True),
        ("1-5,00:00-24:00;6-7,00:00-24:00", True),
        ("1-7,00:00-12:00;1-7,12:00-24:00", True),
        ("1-5,00:00-24:00;6,00:00-24:00;7,00:00-24:00", True),
        ("1-5,09:00-18:00", False),
        ("1-7,00:00-23:59", False),
        ("1-6,00:00-24:00", False),
        ("{$WORKING_HOURS}", False),
        ("", False),
    ],
)
def test_a_period_leaves_no_minute_out(period: str, *, whole: bool) -> None:
    assert recipient.whole_week(period) is whole


def test_a_mask_names_its_severities() -> None:
    assert recipient.severities(63) == {0, 1, 2, 3, 4, 5}
    assert recipient.severities(63 - 16) == {0, 1, 2, 3, 5}
    assert recipient.severities(0) == set()


def test_a_denial_beats_a_right() -> None:
    rights = [{"id": "1", "permission": "2"}, {"id": "2", "permission": "3"}, {"id": "2", "permission": "0"}]
    assert recipient.split(rights) == ({"1"}, {"2"})


def action(service: dict[str, Any] | None = None, subject: str = "", **threshold: Any) -> doctor.Finding:
    """The finding about an action that is as the configuration wants it, but for what is given."""
    tree = {
        "targets": {"shop": {"kind": "compose"}},
        "services": {
            "web": {
                "target": "shop",
                "max": 5,
                "triggers": [
                    {"name": "T", "metric": "heard", "above": 1, "action": "scale_out 1", **threshold}
                ],
                **(service or {}),
            }
        },
    }
    config = settings.parse(tree, "test").services["web"]
    (wanted,) = config.triggers
    step = f"{max(60, wanted.repeat_every):g}s"
    found = {
        "status": "0",
        "esc_period": step,
        "operations": [{"opmessage": {"subject": subject or wanted.action}}],
    }
    return road._action("a", config, wanted, found)


def test_a_step_that_fits_the_cooldown_is_good() -> None:
    assert action().state == "ok"
    assert action(repeat_every="5m").state == "ok"


@pytest.mark.parametrize(
    ("service", "threshold", "said"),
    [
        ({"cooldown_out": "10m"}, {}, "steps every 60 s, cooldown_out is 600 s: a step is shorter"),
        ({}, {"action": "scale_in 1"}, "steps every 60 s, cooldown_in is 300 s: a step is shorter"),
        (
            {},
            {"repeat_every": "2h"},
            "steps every 7200 s, cooldown_out is 30 s: the service could act long before",
        ),
    ],
)
def test_a_step_that_does_not_fit_is_a_warning(
    service: dict[str, Any], threshold: dict[str, Any], said: str
) -> None:
    found = action(service, **threshold)
    assert found.state == "warning"
    assert found.detail.startswith(said)
    assert "repeat_every" in found.remedy


def test_an_action_that_says_something_else_is_broken() -> None:
    found = action(subject="hm")
    assert (found.state, found.detail) == ("broken", "says ['hm'] instead of 'scale_out 1'")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"zabbix[process,trapper,avg,busy]": "91.2"}, ["processes: busy: trapper 91 %: StartTrappers"]),
        ({"zabbix[wcache,trend,pused]": "80"}, ["caches: in use: trends 80 %: TrendCacheSize"]),
        (
            {"zabbix[process,trapper,avg,busy]": "5", "zabbix[rcache,buffer,pused]": "75"},
            ["processes: busy: trapper 5 %: ", "caches: in use: configuration 75 %: "],
        ),
    ],
)
async def test_what_is_busy_or_full_is_named_with_its_parameter(
    values: dict[str, str], said: list[str]
) -> None:
    class Door:
        async def call(self, _method: str, params: dict[str, Any]) -> list[dict[str, str]]:
            asked = params["filter"]["key_"]
            return [
                {"key_": key, "lastvalue": values[key], "lastclock": "1"} for key in asked if key in values
            ]

    found = await load.look(Door())  # type: ignore[arg-type]
    named = [one.remedy.removeprefix("raise ").removesuffix(" in zabbix_server.conf") for one in found]
    assert [f"{one.check}: {one.detail}: {name}" for one, name in zip(found, named, strict=True)] == said
    assert [one.state == "warning" for one in found] == [bool(name) for name in named]


def row(value: float, at: float) -> dict[str, str]:
    return {"value": str(value), "clock": str(int(at)), "ns": str(int(at % 1 * 1e9))}


def test_a_history_without_a_primary_key_is_a_warning() -> None:
    now = time.time()
    good = probe.Stamp([row(probe.LOW, now), row(probe.STAMPED, now + 1)], now)
    bad = probe.Stamp([row(probe.LOW, now), row(probe.LOW + 0.1, now)], now)
    assert probe._doubles(good).state == "ok"
    assert probe._doubles(bad).state == "warning"
    assert probe._doubles(probe.Stamp([], now)).state == "broken"


@pytest.mark.parametrize(
    ("ahead", "state", "said"),
    [(0.1, "ok", "ahead of"), (-0.4, "ok", "behind"), (5, "warning", "ahead of"), (-120, "broken", "behind")],
)
def test_clocks_are_compared(ahead: float, state: str, said: str) -> None:
    found = probe._clock(probe.Stamp([row(probe.STAMPED, 1_700_000_000 + ahead)], 1_700_000_000))
    assert found.state == state
    assert f"{abs(ahead):.1f} s {said} ours" in found.detail


def test_attempts_end_before_the_next_step() -> None:
    found = {"maxattempts": "5", "attempt_interval": "5s", "timeout": "5s"}
    assert recipient.attempts(found) == 45
    assert recipient.attempts({**found, "attempt_interval": "1m", "timeout": "{$LIMIT}"}) == 0


def test_a_bearer_token_is_offered_with_a_warning_alone() -> None:
    tree = {
        "gateway": {"sources": {"z": {"kind": "zabbix", "token_file": "t"}, "a": {"kind": "alertmanager"}}}
    }
    (found,) = recipient._bearer(settings.parse(tree, "test"))
    assert (found.state, found.check) == ("warning", "bearer")
    assert found.detail.startswith("gateway.sources.z.token_file: Zabbix checks no certificate")


def test_what_a_script_said_is_told_without_its_stack() -> None:
    said = "Error: cannot get URL: Couldn't connect to server.\n    at [anon] (httprequest.c:404) internal\n    at [anon] ()"
    assert probe.words(said) == "Error: cannot get URL: Couldn't connect to server."
    assert probe.words("Concierge answered 401: no\nsignature") == "Concierge answered 401: no signature"
