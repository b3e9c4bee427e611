"""Blocking work in a thread, where there may be no thread to have."""

import threading

import pytest

from concierge_courier.sources import aside
from concierge_proto import errors


async def test_a_moment_without_threads_is_over_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of its container's processes; a source must not be deaf for ever after."""
    one = aside.Aside("source")
    with monkeypatch.context() as here:
        here.setattr(threading, "_start_new_thread", refuse)
        with pytest.raises(errors.Temporary, match="the limit of processes and threads is reached"):
            await one.run(lambda: 1, lambda: None)
    assert await one.run(lambda: 2, lambda: None) == 2


def refuse(*_: object) -> int:
    raise RuntimeError("can't start new thread")
