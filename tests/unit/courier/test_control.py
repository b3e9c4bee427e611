"""The maintenance switch: a door of our own, and what it does."""

import asyncio
import socket
from pathlib import Path

import pytest

from concierge_courier import control, heartbeat
from concierge_proto import errors


@pytest.fixture
def life() -> heartbeat.Life:
    return heartbeat.Life("web", "web-1", 10)


async def say(folder: Path, word: str) -> str:
    return await asyncio.to_thread(control.switch, str(folder), "web-1", word)


async def test_on_and_off(tmp_path: Path, life: heartbeat.Life) -> None:
    folder = tmp_path / "run"
    async with control.door(str(folder), life):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert await say(folder, "status") == "off"
        assert await say(folder, "on") == "on"
        assert life.maintenance
        assert await say(folder, "on") == "on"
        assert await say(folder, "status") == "on"
        assert await say(folder, "off") == "off"
        assert not life.maintenance
    assert list(folder.iterdir()) == []


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(errors.Temporary, match=r"no courier answers at .*web-1\.sock: No such file"):
        await say(tmp_path, "on")


async def test_what_a_killed_courier_left_is_in_nobodys_way(tmp_path: Path, life: heartbeat.Life) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "web-1.sock"))
    with pytest.raises(errors.Temporary, match="Connection refused"):
        await say(folder, "on")
    async with control.door(str(folder), life):
        assert await say(folder, "on") == "on"


@pytest.mark.parametrize("mode", [0o755, 0o1777])
async def test_a_folder_that_others_can_enter_is_not_used(
    tmp_path: Path, life: heartbeat.Life, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(mode)
    async with control.door(str(tmp_path), life):
        assert list(tmp_path.iterdir()) == []
    assert "not a folder of this user alone" in caplog.text


async def test_where_no_socket_can_be_made_it_goes_on(
    tmp_path: Path, life: heartbeat.Life, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.touch()
    async with control.door(str(file / "below"), life):
        pass
    assert "no maintenance switch" in caplog.text


@pytest.mark.parametrize("words", [b"", b"\n", b"x" * 100_000, b"\xff\n"])
async def test_nonsense_does_no_harm(tmp_path: Path, life: heartbeat.Life, words: bytes) -> None:
    folder = tmp_path / "run"

    def talk() -> None:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(str(folder / "web-1.sock"))
            there.settimeout(5)
            try:
                there.sendall(words)
                there.shutdown(socket.SHUT_WR)
                there.recv(10)
            except OSError:
                pass

    async with control.door(str(folder), life):
        await asyncio.to_thread(talk)
        assert await say(folder, "status") == "off"
