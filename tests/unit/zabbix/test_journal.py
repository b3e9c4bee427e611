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


def test_what_must_be_stored_by_now_is_forgotten(clock: Clock) -> None:
    kept = journal.Journal(keep=30)
    kept.note("h", b"first", 1)
    clock.now = 20
    kept.note("h", b"second", 1)
    clock.now = 31
    assert len(kept) == 2  # nothing ages by itself: the server may be away
    kept.age()
    assert [entry.wire for entry in kept.take()] == [b"second"]
    assert len(kept) == 0


def test_the_oldest_goes_when_there_is_no_room(clock: Clock) -> None:
    kept = journal.Journal(most=10)
    for number in range(5):
        kept.note("h", b"four" + str(number).encode(), 1)
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
