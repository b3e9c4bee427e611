"""The desk starts quickly: what only one command needs is imported by that command."""

import subprocess
import sys

import pytest

HEAVY = ("fastapi", "httpx", "python_on_whales", "starlette", "uvicorn", "zabbix_utils")


@pytest.mark.parametrize("heavy", HEAVY)
def test_nobody_waits_for_what_one_command_needs(heavy: str) -> None:
    code = f"import sys, concierge_cli.app; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
