"""The parts of the runner that read what the machine says."""

import os
import signal
import subprocess
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path

from tests.peers import debian, engine, house, swarm


def test_apt_sources_in_both_formats(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://off.example/debian bookworm main\n"
        "deb http://other.example/tool bookworm stable\n"
        "deb [arch=amd64 signed-by=/keys/a.gpg] http://one.example/debian bookworm main contrib # ours\n"
    )
    (tmp_path / "sources.list.d/debian.sources").write_text(
        "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm-security\nComponents: main\n\n"
        "# a comment\nTypes: deb deb-src\nURIs: http://two.example/security\n"
        "Suites: bookworm-updates bookworm-security\nComponents: main\nSigned-By: /keys/b.gpg\n"
    )
    main = debian.archive("bookworm", tmp_path)
    security = debian.archive("bookworm-security", tmp_path)
    assert main == debian.Entry(
        "http://one.example/debian", ("bookworm",), ("main", "contrib"), "/keys/a.gpg"
    )
    assert security
    assert (security.address, security.keyring) == ("http://two.example/security", "/keys/b.gpg")
    assert debian.archive("trixie", tmp_path) is None


def test_only_debian_has_a_release_name() -> None:
    assert debian.release('ID=debian\nVERSION_CODENAME="bookworm"\n') == "bookworm"
    assert debian.release("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n") is None


def test_routes_leave_out_the_default() -> None:
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n"
        "eth0\t0000650A\t00000000\t0001\t0\t0\t0\t0000FFFF\n"
    )
    assert engine.routes(table) == [IPv4Network("10.101.0.0/16")]


def test_networks_of_one_engine_do_not_overlap() -> None:
    network = IPv4Network("10.101.0.0/16")
    compose = IPv4Network(str(next(network.subnets(prefixlen_diff=2))))
    gateways, overlays = swarm.pools(network)
    default = IPv4Network(f"{engine.gateway(network)}/24", strict=False)
    parts = [compose, gateways, overlays, default]
    assert all(part.subnet_of(network) for part in parts)
    assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)


def at(folder: Path) -> house.House:
    return house.House(
        cache=folder / "cache", temporary=folder, environment=dict(os.environ), obstacle="a test"
    )


def test_a_sweep_removes_only_rooms_that_nobody_holds(tmp_path: Path) -> None:
    left = tmp_path / "concierge-peers-left"
    left.mkdir()
    with house.room(at(tmp_path)) as held:
        house.sweep(at(tmp_path))
        assert held.exists()
        assert not left.exists()
    assert not held.exists()


def runner(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A run that may install nothing, so that all of its peers are missing."""
    environment = {key: value for key, value in os.environ.items() if key not in {"CI", "PEER_MISSING"}}
    program = (
        "import sys; from tests.peers import __main__ as desk, place; "
        "place.obstacle = lambda: 'a test'; sys.exit(desk.main())"
    )
    return subprocess.Popen(
        (sys.executable, "-c", program, "run", *words),
        env=environment | {"TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_s_exit_code_and_reasons_come_through(tmp_path: Path) -> None:
    script = 'printf %s "$PEER_MISSING"; exit 7'
    run = runner(tmp_path, "prometheus", "--", "sh", "-c", script)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 7
    assert out == '{"prometheus": "a test"}'
    assert "prometheus is missing: a test" in err
    assert not list(tmp_path.iterdir())


def test_a_required_peer_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    run = runner(tmp_path, "prometheus", "--require", "--", "true")
    _, err = run.communicate(timeout=20)
    assert run.returncode == 69
    assert "required, but missing: prometheus: a test" in err


def test_a_signal_is_passed_on_and_the_room_removed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    run = runner(tmp_path, "prometheus", "--", "sh", "-c", f"touch {ready}; exec sleep 60")
    deadline = time.monotonic() + 20
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=20)
    assert run.returncode == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
