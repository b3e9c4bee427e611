"""Two `concierge zabbix apply` on one server at the same time."""

import asyncio
import logging
import threading
from typing import Any

import pytest

from concierge_backends.zabbix import api
from tests.integration.zabbix.conftest import Apply
from tests.integration.zabbix.test_provision import counted


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> threading.Barrier:
    """The first two that make a host wait for each other: both have seen that there is none."""
    both, first, call = threading.Barrier(2, timeout=60), threading.Semaphore(2), api.Api._call

    def met(self: api.Api, method: str, params: Any) -> Any:
        if method == "host.create" and first.acquire(blocking=False):
            both.wait()
        return call(self, method, params)

    monkeypatch.setattr(api.Api, "_call", met)
    return both


async def test_who_meets_the_other_starts_again_and_both_end_well(
    apply: Apply, meeting: threading.Barrier, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "concierge_backends.zabbix.provision.turns"):
        one, other = await asyncio.gather(apply(), apply())
    assert any(": starting again" in said for said in caplog.messages)
    assert {len(one), len(other)} == {len(await apply(dry_run=True))}
    made = [
        change for change in (*one, *other) if (change.kind, change.name) == ("host", f"service {service}")
    ]
    assert "create" in counted(made)
    assert counted(await apply(dry_run=True)) == {"none"}
