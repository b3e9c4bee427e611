"""The configuration as it is now: the file wins, then the targets in its order."""

from datetime import UTC, datetime

import pytest

from concierge_proto import errors, messages, settings
from concierge_proto.bus import found

TREE = {
    "targets": {
        "shop": {"kind": "compose", "labels": True},
        "swarm": {"kind": "swarm", "labels": True, "labels_max": 3},
        "deaf": {"kind": "swarm"},
    },
    "services": {"web": {"target": "shop", "max": 2}},
}
CONFIG = settings.parse(TREE, "test")


def saying(target: str, **most: str) -> messages.Found:
    services = {
        name: messages.Labelled(called=name, labels={"concierge.max": value}) for name, value in most.items()
    }
    return messages.Found(target=target, services=services, at=datetime.now(UTC))


def merged(*each: messages.Found) -> dict[str, tuple[str, int]]:
    services = found.merge(CONFIG, {one.target: one for one in each})
    return {name: (one.target, one.max) for name, one in services.items()}


def test_labels_add_services() -> None:
    assert merged(saying("shop", api="5")) == {"web": ("shop", 2), "api": ("shop", 5)}


def test_the_file_wins() -> None:
    assert merged(saying("shop", web="5"), saying("swarm", web="3")) == {"web": ("shop", 2)}


def test_of_two_targets_the_earlier_wins() -> None:
    assert merged(saying("swarm", api="3"), saying("shop", api="5"))["api"] == ("shop", 5)


def test_a_target_that_the_file_keeps_deaf_adds_nothing() -> None:
    assert merged(saying("deaf", api="5")) == {"web": ("shop", 2)}


def test_what_passes_this_files_bound_is_left_out() -> None:
    """The scheduler that published it has another file."""
    assert merged(saying("swarm", api="4", cron="3")) == {"web": ("shop", 2), "cron": ("swarm", 3)}


def test_a_process_has_no_labels() -> None:
    tree = {"targets": {"here": {"kind": "process", "labels": True}}}
    with pytest.raises(errors.Permanent, match=r"targets\.here\.labels: a process has no labels"):
        settings.parse(tree, "test")


def test_what_nobody_can_read_says_nothing() -> None:
    assert not found.decode("shop", b"{}").services
    assert not found.decode("shop", b"\xff").services
