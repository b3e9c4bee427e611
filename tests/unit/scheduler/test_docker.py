"""What stands before docker's own words."""

import pytest

from concierge_scheduler.targets import docker


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in docker._FOREIGN:
        monkeypatch.delenv(name, raising=False)


def test_nothing_is_started_to_take_away_what_is_not_set() -> None:
    assert docker._cleaned(()) == []


def test_what_would_point_elsewhere_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    monkeypatch.setenv("COMPOSE_FILE", "other.yaml")
    assert docker._cleaned(("PATH=/ssh",)) == ["env", "-u", "DOCKER_HOST", "-u", "COMPOSE_FILE", "PATH=/ssh"]


def test_the_way_to_our_own_ssh_is_told() -> None:
    assert docker._cleaned(("PATH=/ssh",)) == ["env", "PATH=/ssh"]
