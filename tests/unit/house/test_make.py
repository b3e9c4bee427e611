"""What `make` starts real servers for."""

import os
import subprocess

import pytest

from tests.unit.house import tree


def plan(*words: str) -> str:
    """The commands that `make` would run."""
    clean = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL", "ARGS"}}
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *words],
        cwd=tree.ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "peers"),
    [
        (["test"], "docker zabbix zabbix60 prometheus"),
        (["test", "ARGS=tests/loop -x"], "docker zabbix zabbix60 prometheus"),
        (["test", "ARGS=-k codec"], "docker zabbix zabbix60 prometheus"),
        (["test", "ARGS=tests/unit tests/loop"], "docker zabbix zabbix60 prometheus"),
        (["test", "ARGS=tests/unit -k codec"], ""),
        (["demo"], ""),
        (["demo", "BACKEND=zabbix"], "--require zabbix"),
        (["demo", "BACKEND=prometheus"], "--require prometheus"),
    ],
)
def test_servers_are_started_for_what_needs_them(words: list[str], peers: str) -> None:
    peer, _, command = plan(*words).rpartition(" -- ")
    assert " ".join(peer.partition(" run ")[2].split()) == peers
    assert command.startswith((".venv/bin/pytest ", ".venv/bin/concierge demo "))


def test_arguments_reach_the_command() -> None:
    assert plan("demo", "ARGS=--once --json").endswith("--target process --backend embedded --once --json")
    assert plan("test", "ARGS=tests/unit -k codec").endswith(" tests/unit -k codec")
