"""Wrong words and a missing bus: one sentence, and an end."""

from pathlib import Path

import pytest

from concierge_cli import events, explain, order, output, place
from concierge_proto import errors
from tests.unit.scheduler import hands


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> place.Place:
    """A configuration whose NATS is not there."""
    monkeypatch.setattr(place, "PATIENCE", 0.2)
    path = tmp_path / "concierge.toml"
    path.write_text('[nats]\nurl = "nats://ann:hush@127.0.0.1:4"\n', "utf-8")
    return place.Place(path)


async def test_who_looks_does_not_wait_for_ever(nowhere: place.Place) -> None:
    with pytest.raises(errors.Permanent, match=r"127\.0\.0\.1:4 does not answer") as caught:
        async with nowhere.bus():
            raise AssertionError("connected to nothing")
    assert "hush" not in str(caught.value)


async def test_a_time_that_is_none_stores_no_command(nowhere: place.Place) -> None:
    with pytest.raises(errors.Malformed, match="--timeout: '5x'"):
        await order.give(nowhere, hands.command(), "5x", wait=True, json=False)


async def test_nothing_is_not_explained_with_everything(nowhere: place.Place) -> None:
    with pytest.raises(errors.Malformed, match="name a service"):
        await explain._explain(nowhere, " ", "7d", json=False)


def test_no_time_is_too_long_ago() -> None:
    for since in ("99999999d", "9" * 400 + "d"):
        with pytest.raises(errors.Malformed, match="--since"):
            events.ago(since)


def test_what_stands_in_brackets_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    output.console.print("it needs a [gateway.sources.NAME] in the configuration")
    assert "[gateway.sources.NAME]" in capsys.readouterr().out
