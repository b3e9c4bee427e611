"""Who was heard, and who was not although he could have been."""

from concierge_backends import roster
from tests.unit.backends.said import SECOND, START, heartbeat, snapshot


def silent(known: roster.Roster, now: float, since: float = 0.0) -> list[str]:
    return [entry.instance for entry in known.silent(now, since, 30.0, "web")]


def test_silence_is_a_whole_fresh_period() -> None:
    known = roster.Roster()
    known.heartbeat(heartbeat(), 100.0)
    assert silent(known, 130.0) == []
    assert silent(known, 130.1) == ["one"]


def test_silence_does_not_count_while_nothing_could_be_heard() -> None:
    known = roster.Roster()
    known.heartbeat(heartbeat(), 100.0)
    assert silent(known, 200.0, since=180.0) == []
    assert silent(known, 211.0, since=180.0) == ["one"]


def test_a_snapshot_breaks_the_silence() -> None:
    known = roster.Roster()
    known.heartbeat(heartbeat(), 100.0)
    known.snapshot(snapshot(at=START + 20 * SECOND), 120.0)
    assert silent(known, 140.0) == []


def test_one_that_stopped_is_not_silent_and_forgotten_in_time() -> None:
    known = roster.Roster()
    known.heartbeat(heartbeat(state=0), 100.0)
    assert silent(known, 1000.0) == []
    assert known.heartbeats()
    known.forget(701.0)
    assert not known.heartbeats()


def test_last_words_that_come_late_are_no_news() -> None:
    known = roster.Roster()
    assert known.heartbeat(heartbeat(at=START + 1, boot="b2"), 100.0)
    assert not known.heartbeat(heartbeat(at=START, boot="b1", state=0), 100.0)
    assert [one.boot for one in known.heartbeats()] == ["b2"]


def test_snapshots_from_before_the_stop_do_not_revive() -> None:
    known = roster.Roster()
    known.heartbeat(heartbeat(at=START + 5, state=0), 100.0)
    known.snapshot(snapshot(at=START), 101.0)
    assert silent(known, 500.0) == []
    known.snapshot(snapshot(at=START + 6), 102.0)
    assert silent(known, 500.0) == ["one"]


def test_one_that_is_expected_is_silent_like_anybody() -> None:
    known = roster.Roster()
    known.expect("web", "one", 100.0, START)
    assert silent(known, 130.0) == []
    assert silent(known, 130.1) == ["one"]


def test_one_that_was_heard_is_not_expected_anew() -> None:
    known = roster.Roster()
    known.heartbeat(heartbeat(), 100.0)
    known.expect("web", "one", 120.0, START)
    assert silent(known, 130.1) == ["one"]


def test_what_it_says_itself_counts_more_than_what_was_said_about_it() -> None:
    """It was expected, called vanished by our clock, and comes back with a clock an hour behind."""
    known = roster.Roster()
    known.expect("web", "one", 100.0, START)
    known.heartbeat(heartbeat(at=START + 40 * SECOND, boot="", state=0), 140.0)
    assert known.heartbeat(heartbeat(at=START - 3600 * SECOND), 141.0)
    assert [one.state for one in known.heartbeats()] == [1]


def test_a_word_about_it_sorts_among_its_own() -> None:
    """Its clock may be an hour behind ours: what we say for it must not outrun what it says itself."""
    known = roster.Roster()
    known.heartbeat(heartbeat(at=START), 100.0)
    known.snapshot(snapshot(at=START + 3 * SECOND), 103.0)
    (entry,) = known.silent(140.0, 0.0, 30.0, "web")
    assert entry.clock_ns(140.0) == START + 40 * SECOND
