"""What zabbix_sender sends is what we send, byte for byte, and keys are quoted as the real server quotes them."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from concierge_backends.zabbix import packets, trapper
from tests import peer
from tests.unit.zabbix import trappers

NOW = 1_700_000_000
ROWS = [
    packets.Row("web-1", "load", "1.5", NOW, 7),
    packets.Row("web-1", 'gauge["a,b",value]', "-3", NOW, 7),
    packets.Row("web-1", r'gauge["\"q\"",value]', "0", NOW, 7),
    packets.Row("web-1", "größe", "Ünïcode ✓", NOW, 7),
    packets.Row("web one", "a b", 'with "quotes" and \\', NOW, 0),
    packets.Row("web-1", "tab", "a\tb\nc", NOW, 999_999_999),
    packets.Row("web-1", "slash/", "</x>", NOW, 7),
]
_LIST = re.compile(rb'"data":(\[.*\])', re.DOTALL)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@pytest.mark.parametrize("version", ["zabbix", "zabbix60"])
async def test_a_packet_is_the_one_of_zabbix_sender(version: str, tmp_path: Path) -> None:
    peer.need(version)
    program = os.environ[f"PEER_{version.upper()}_SENDER"]
    lines = [
        f"{quoted(row.host)} {quoted(row.key)} {row.clock} {row.ns} {quoted(row.value)}\n" for row in ROWS
    ]
    (tmp_path / "values").write_text("".join(lines))
    async with trappers.trapper() as fake:
        host, _, port = fake.address.partition(":")
        words = (program, "-z", host, "-p", port, "-T", "-N", "-i", str(tmp_path / "values"))
        await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
        await trapper.Trapper([fake.address], 5).deliver("web-1", ROWS)
    theirs, ours = (_LIST.search(body) for body in fake.bodies)
    assert theirs
    assert ours
    assert ours[1] == theirs[1]
