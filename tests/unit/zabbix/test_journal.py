"""What was accepted a moment ago."""

import pytest

from concierge_backends.zabbix import delay, journal


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(journal, "time", found)
    return found


def accepted(wire: bytes, clock: Clock, **more: str) -> journal.Entry:
    return journal.Entry(**{"host": "h", "wire": wire, "values": 1, "at": clock.now, **more})  # type: ignore[arg-type]


def test_of_a_state_only_the_newest_is_kept(clock: Clock) -> None:
    kept = journal.Journal(most=16)
    for number in range(9):
        kept.note(accepted(str(number).encode(), clock, slot="state"))
        kept.note(accepted(str(number).encode(), clock, slot="state", host="other"))
    assert [(entry.host, entry.wire) for entry in kept.take()] == [("h", b"8"), ("other", b"8")]


def test_what_must_be_stored_by_now_is_forgotten(clock: Clock) -> None:
    kept = journal.Journal(keep=30)
    kept.note(accepted(b"first", clock))
    clock.now = 20
    kept.note(accepted(b"second", clock))
    clock.now = 31
    assert len(kept) == 2  # nothing ages by itself: the server may be away
    kept.age()
    assert [entry.wire for entry in kept.take()] == [b"second"]
    assert len(kept) == 0


def test_the_oldest_goes_when_there_is_no_room(clock: Clock) -> None:
    kept = journal.Journal(most=10)
    for number in range(5):
        kept.note(accepted(b"four" + str(number).encode(), clock))
    assert [entry.wire for entry in kept.take()] == [b"four3", b"four4"]


def test_patience_follows_what_was_measured() -> None:
    found = delay.Delay()
    assert found.patience() == delay.UNKNOWN
    found.note(2)
    assert found.patience() == delay.LEAST
    found.note(100)
    assert found.patience() == 300
    found.note(1)
    assert found.measured == 90
    found.note(10_000)
    assert found.patience() == delay.MOST
