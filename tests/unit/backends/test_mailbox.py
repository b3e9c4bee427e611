"""Newest wins, first key first."""

import asyncio

from concierge_backends import mailbox


async def test_a_newer_letter_takes_the_place_of_the_older() -> None:
    box: mailbox.Mailbox[int] = mailbox.Mailbox()
    box.put("a", 1)
    box.put("b", 2)
    box.put("a", 3)
    assert [await box.take(), await box.take()] == [("a", 3), ("b", 2)]
    assert len(box) == 0


async def test_put_back_gives_way_to_a_newer_one() -> None:
    box: mailbox.Mailbox[int] = mailbox.Mailbox()
    box.put("a", 2)
    box.put_back("a", 1)
    assert await box.take() == ("a", 2)
    box.put_back("a", 1)
    assert await box.take() == ("a", 1)


async def test_take_waits() -> None:
    box: mailbox.Mailbox[int] = mailbox.Mailbox()
    waiting = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.put("a", 1)
    assert await waiting == ("a", 1)


def test_is_bounded_and_says_what_it_lost() -> None:
    box: mailbox.Mailbox[int] = mailbox.Mailbox(limit=2)
    for number in range(5):
        box.put(str(number), number)
    assert len(box) == 2
    assert box.dropped == 3
    assert "4" in box
