"""Fixtures for every floor. A real nats-server starts in about 50 ms, so each test has its own."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from concierge_cli import nats
from concierge_proto import bus, settings

SHARED = ("zabbix60", "zabbix", "prometheus")
"""Servers of which a run has one: their tests run one after the other."""


for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    # Under nohup, or in the background of a script, they are ignored from the start, also by every child.
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests together that meet on a shared server, and let a wait on real servers run out once."""
    for item in items:
        if "tests/unit" in item.nodeid:
            continue
        item.add_marker(pytest.mark.flaky(reruns=1, condition=waited))
        server = next((name for name in SHARED if name in item.nodeid.lower()), None)
        grouped = item.get_closest_marker("xdist_group")  # as a test with a server of its own may be
        if server and not grouped:
            item.add_marker(pytest.mark.xdist_group(server))


def waited(error: BaseException) -> bool:
    """Tell whether a test failed by nothing but a wait that ran out; a wrong answer is never asked for twice."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(waited, error.exceptions))
    return isinstance(error, TimeoutError)


@pytest.fixture
async def nats_url(tmp_path: Path) -> AsyncIterator[str]:
    """URL of a nats-server of this test's own."""
    async with nats.server(tmp_path / "nats", tmp_path / "nats-run") as url:
        yield url


@pytest.fixture
async def link(nats_url: str) -> AsyncIterator[bus.Bus]:
    """A provisioned connection to it."""
    async with bus.connect(settings.Nats(url=nats_url), "test") as connected:
        await bus.provision(connected)
        yield connected


Connect = Callable[[str], AbstractAsyncContextManager[bus.Bus]]


@pytest.fixture
def connect(nats_url: str) -> Connect:
    """More connections to it; use as a context."""
    return lambda who: bus.connect(settings.Nats(url=nats_url), who)
