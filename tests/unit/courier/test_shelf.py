"""Snapshots on a disk: whole, bounded, oldest first, and there again after a restart."""

import asyncio
import contextlib
import errno
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_courier import options, run, shelf, spool
from concierge_proto import bus, errors


def message(number: int, size: int = 100) -> bus.Message:
    return bus.Message(subject="s", headers={"Nats-Msg-Id": str(number)}, body=b"x" * size)


class Clock:
    now = 1_000_000_000_000_000_000

    def __call__(self) -> int:
        return self.now


def opened(folder: Path, size: int = 10_000, age: float = 60, clock: Clock | None = None) -> shelf.Shelf:
    return shelf.Shelf(str(folder), size, age, clock=clock or Clock())


def drain(one: shelf.Shelf) -> list[str]:
    found = []
    while message := one.take():
        found.append(message.id)
        one.done()
    return found


def test_another_courier_finds_the_same_messages_oldest_first(tmp_path: Path) -> None:
    first = opened(tmp_path / "made" / "here")
    for number in range(20):
        assert first.put(message(number))
    first.close()
    second = opened(tmp_path / "made" / "here")
    taken = second.take()
    assert taken == message(0)
    second.put_back()
    assert drain(second) == [str(number) for number in range(20)]
    assert (len(second), second.bytes, second.age) == (0, 0, 0)
    assert [path.name for path in (tmp_path / "made" / "here").iterdir()] == ["lock"]


def test_the_oldest_make_room_and_are_counted(tmp_path: Path) -> None:
    one = opened(tmp_path, size=1_000)
    for number in range(10):
        one.put(message(number, 300))
        assert one.bytes <= 1_000
    on_disk = [path.stat().st_size for path in tmp_path.glob("*.snapshot")]
    assert sum(on_disk) == one.bytes
    assert one.lost == Counter(full=10 - len(one))
    assert drain(one)[-1] == "9"


def test_what_is_too_old_is_dropped_and_counted_after_a_restart_too(tmp_path: Path) -> None:
    clock = Clock()
    one = opened(tmp_path, clock=clock)
    one.put(message(1))
    clock.now += 30 * 10**9
    one.put(message(2))
    assert one.age == 30
    one.close()
    clock.now += 31 * 10**9
    again = opened(tmp_path, clock=clock)
    assert again.lost == Counter(old=1)
    assert drain(again) == ["2"]


@pytest.mark.parametrize("harm", ["bit", "torn", "empty", "text"])
def test_a_corrupt_file_is_put_aside_and_counted_and_harms_no_neighbour(tmp_path: Path, harm: str) -> None:
    one = opened(tmp_path)
    for number in range(3):
        one.put(message(number))
    victim = sorted(tmp_path.glob("*.snapshot"))[1]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes({"bit": bytes(data), "torn": bytes(data[:50]), "empty": b"", "text": b"hello"}[harm])
    assert drain(one) == ["0", "2"]
    assert one.lost == Counter(corrupt=1)
    assert [path.stem for path in tmp_path.glob("*.corrupt")] == [victim.stem]


def test_what_was_put_aside_goes_when_it_is_too_old(tmp_path: Path) -> None:
    clock = Clock()
    aside = tmp_path / "1.corrupt"
    aside.write_bytes(b"")
    os.utime(aside, ns=(clock.now, clock.now))
    opened(tmp_path, clock=clock).close()
    assert aside.exists()
    clock.now += 61 * 10**9
    opened(tmp_path, clock=clock).close()
    assert not aside.exists()


def test_half_a_file_of_a_courier_that_died_is_removed(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000005.new").write_bytes(b"CSP1")
    assert len(opened(tmp_path)) == 0
    assert list(tmp_path.glob("*.new")) == []


@pytest.mark.parametrize("name", ["1.new", "1.corrupt", "1.snapshot"])
def test_folders_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    os.utime(tmp_path / name, (0, 0))
    assert drain(opened(tmp_path)) == []
    assert (tmp_path / name).is_dir()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.snapshot").write_text("mine")
    (tmp_path / "README").write_text("mine")
    assert drain(opened(tmp_path)) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_that_somebody_removed_is_counted(tmp_path: Path) -> None:
    one = opened(tmp_path)
    one.put(message(1))
    next(tmp_path.glob("*.snapshot")).unlink()
    assert one.take() is None
    assert one.lost == Counter(corrupt=1)


def test_a_clock_that_steps_back_keeps_the_order(tmp_path: Path) -> None:
    clock = Clock()
    one = opened(tmp_path, clock=clock)
    for number in range(3):
        one.put(message(number))
        clock.now -= 3600 * 10**9
    assert one.age == 0
    one.close()
    assert drain(opened(tmp_path, clock=clock)) == ["0", "1", "2"]


def test_two_couriers_in_one_folder_are_refused(tmp_path: Path) -> None:
    one = opened(tmp_path)
    with pytest.raises(errors.Permanent, match="another courier uses it"):
        opened(tmp_path)
    one.close()
    opened(tmp_path).close()


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.Permanent, match=r"--spool .*file/x: Not a directory"):
        opened(tmp_path / "file" / "x")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_at_the_start_keeps_no_application_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    monkeypatch.setattr("os.open", raising(OSError(number, os.strerror(number))))
    chosen = options.Options(service="web", instance="web-1", spool=str(tmp_path))
    assert run.Courier(chosen, ()).spool.facts()["courier.spooled"] is None
    assert f"{os.strerror(number)}; keeping snapshots in memory" in caplog.text


def raising(error: OSError) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise error

    return fail


def test_a_disk_that_takes_nothing_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = opened(tmp_path / "gone")
    (tmp_path / "gone" / "lock").unlink()
    (tmp_path / "gone").rmdir()
    assert [one.put(message(number)) for number in range(3)] == [False] * 3
    assert len(caplog.records) == 1
    assert "keeping snapshots in memory" in caplog.text
    (tmp_path / "gone").mkdir()
    assert one.put(message(3))
    assert drain(one) == ["3"]


class TestWithTheRing:
    """The ring holds the newest; what waits behind it is on disk."""

    @pytest.fixture
    def disk(self, tmp_path: Path) -> shelf.Shelf:
        return opened(tmp_path)

    @pytest.fixture
    def waiting(self, disk: shelf.Shelf) -> spool.Spool:
        return spool.Spool(10_000, 60, lambda: 0.0, disk)

    async def test_while_all_is_well_nothing_touches_the_disk(
        self, waiting: spool.Spool, disk: shelf.Shelf
    ) -> None:
        for number in range(5):
            waiting.add(message(number))
            assert (await waiting.take()).id == str(number)
            waiting.done()
        assert len(disk) == 0
        assert (waiting.delivered, waiting.retried, waiting.dropped) == (5, 0, 0)

    async def test_at_most_one_old_one_for_each_new_one(
        self, waiting: spool.Spool, disk: shelf.Shelf
    ) -> None:
        for number in range(6):
            waiting.add(message(number))
        assert (len(waiting), len(disk)) == (1, 5)
        order = []
        for number in range(6, 11):
            for _ in range(2):
                order.append((await waiting.take()).id)
                waiting.done()
            waiting.add(message(number))
        assert order == ["5", "0", "6", "1", "7", "2", "8", "3", "9", "4"]
        assert (len(waiting), len(disk)) == (1, 0)

    async def test_an_old_one_that_fails_comes_again_after_the_live_one(
        self, waiting: spool.Spool, disk: shelf.Shelf
    ) -> None:
        for number in range(3):
            waiting.add(message(number))
        await waiting.take()
        waiting.done()
        assert (await waiting.take()).id == "0"
        waiting.put_back()
        waiting.put_back()
        assert waiting.retried == 1
        waiting.add(message(3))
        found = []
        for _ in range(2):
            found.append((await waiting.take()).id)
            waiting.done()
        assert found == ["3", "0"]
        assert (len(disk), waiting.delivered) == (1, 3)

    async def test_what_was_being_sent_at_the_end_is_there_after_a_restart(
        self, waiting: spool.Spool, tmp_path: Path
    ) -> None:
        waiting.add(message(1))
        await waiting.take()
        waiting.add(message(2))
        waiting.close()
        assert drain(opened(tmp_path)) == ["1", "2"]

    async def test_a_refused_old_one_is_gone_and_counted(
        self, waiting: spool.Spool, disk: shelf.Shelf
    ) -> None:
        waiting.add(message(1))
        waiting.add(message(2))
        await waiting.take()
        waiting.done()
        await waiting.take()
        waiting.refuse()
        assert (len(disk), waiting.facts()["courier.dropped.refused"]) == (0, 1)

    async def test_without_room_on_the_disk_the_ring_is_the_limit(
        self, waiting: spool.Spool, disk: shelf.Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(disk, "put", lambda message: False)
        for number in range(20):
            waiting.add(message(number, 3_000))
        assert waiting.bytes <= 10_000
        assert waiting.dropped + len(waiting) == 20

    async def test_the_facts_say_what_waits(self, waiting: spool.Spool) -> None:
        for number in range(4):
            waiting.add(message(number))
        facts = waiting.facts()
        assert (facts["courier.spooled"], facts["courier.delivered"], facts["courier.oldest"]) == (3, 0, 0)


steps = st.lists(
    st.tuples(st.just("add"), st.integers(0, 2_000))
    | st.tuples(st.just("wait"), st.integers(1, 40))
    | st.tuples(st.sampled_from(["take", "done", "put_back", "refuse", "restart"]), st.just(0)),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_nothing_is_lost_uncounted_or_twice(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_walk(Path(folder), steps))


async def _taken(waiting: spool.Spool, disk: shelf.Shelf) -> str:
    """The id of what is next; empty when there is nothing, or it grew too old on disk."""
    if waiting._next() or (waiting._owed and len(disk)):
        with contextlib.suppress(TimeoutError):
            return (await asyncio.wait_for(waiting.take(), 0.01)).id
    return ""


async def _walk(folder: Path, steps: list[tuple[str, int]]) -> None:  # noqa: C901 - a table of steps
    clock, lost = Clock(), Counter[str]()

    def fresh() -> tuple[spool.Spool, shelf.Shelf]:
        disk = shelf.Shelf(str(folder), 6_000, 60, lost, clock)
        return spool.Spool(8_000, 60, lambda: clock.now / 1e9, disk), disk

    waiting, disk = fresh()
    added, delivered, taken = 0, list[str](), ""
    for step, number in steps:
        if step == "add":
            added += 1
            waiting.add(message(added, number))
        elif step == "wait":
            clock.now += number * 10**9
        elif step == "take":
            taken = taken or await _taken(waiting, disk)
        elif step in {"done", "refuse"} and taken:
            getattr(waiting, step)()
            delivered.extend([taken] * (step == "done"))
            taken = ""
        elif step in {"put_back", "restart"}:
            waiting.put_back()
            taken = ""
        if step == "restart":
            waiting.close()
            waiting, disk = fresh()
        assert len(delivered) + lost.total() + len(waiting) + len(disk) == added
        assert len(delivered) == len(set(delivered))
        assert disk.bytes <= 6_000 or len(disk) <= 2
    waiting.close()
