"""An engine on another machine: over TCP with TLS, over SSH, by a docker context; and what goes wrong on the way."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_proto import errors, settings
from concierge_scheduler.targets import compose, port
from tests import containers, gate, papers, peer, sshd
from tests.peers import process

SERVICES = {"web": settings.Service(target="far", max=9)}


@pytest.fixture
def pair() -> papers.Papers:
    """What the real engine asks for."""
    peer.need("docker")
    if "PEER_DOCKER_PAPERS" not in os.environ:
        pytest.skip("this engine was here before us: only a private one listens with TLS")
    folder = Path(os.environ["PEER_DOCKER_PAPERS"])
    return papers.Papers(*(folder / f"{name}.pem" for name in ("ca", "cert", "key")))


@pytest.fixture
def guarded(pair: papers.Papers) -> str:
    """The real engine over TCP, where it asks for a certificate; its address."""
    assert pair
    return os.environ["PEER_DOCKER_TLS"]


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> papers.Papers:
    return papers.make(tmp_path_factory.mktemp("strangers"))


@pytest.fixture
async def shell(tmp_path: Path, hanging: gate.Gate) -> AsyncIterator[sshd.Sshd]:
    """The real engine behind a real sshd."""
    room = tmp_path / "sshd"
    room.mkdir()
    async with sshd.serving(room, f"unix://{hanging.address}") as found:
        yield found


def by_tls(host: str, ca: papers.Papers, shown: papers.Papers) -> dict[str, Any]:
    files = {"tls_ca_file": ca.ca, "tls_cert_file": shown.cert, "tls_key_file": shown.key}
    return {"host": host, **{name: str(file) for name, file in files.items()}}


def by_ssh(found: sshd.Sshd, **others: Path) -> dict[str, Any]:
    files = {"ssh_key_file": found.key, "ssh_known_hosts_file": found.known_hosts, **others}
    return {"host": found.host, **{name: str(file) for name, file in files.items()}}


async def context(folder: Path, endpoint: str) -> dict[str, Any]:
    """Create a docker context in a configuration of its own."""
    await containers.docker("--config", str(folder), "context", "create", "far", "--docker", endpoint)
    return {"host": "", "context": "far", "docker_config": str(folder)}


def opened(way: dict[str, Any]) -> contextlib.AbstractAsyncContextManager[port.Target]:
    return compose.open("far", settings.Target(kind="compose", project="nothing", **way), SERVICES, "")


async def out_and_in(folder: Path, way: dict[str, Any]) -> None:
    async with (
        containers.compose(folder, {"web": {}}, ["web"]) as project,
        compose.open("far", msgspec.structs.replace(project, **way), SERVICES, "") as target,
    ):
        assert (await target.identity()).endswith(f"/{project.project}")
        for count in (2, 1):
            await target.scale("web", count, "i")
            await containers.until(target, "web", count)


async def test_out_and_in_over_tls(tmp_path: Path, guarded: str, pair: papers.Papers) -> None:
    await out_and_in(tmp_path, by_tls(guarded, pair, pair))


async def test_out_and_in_over_ssh(tmp_path: Path, shell: sshd.Sshd) -> None:
    await out_and_in(tmp_path, by_ssh(shell))


async def test_out_and_in_by_a_context_with_tls(tmp_path: Path, guarded: str, pair: papers.Papers) -> None:
    endpoint = f"host={guarded},ca={pair.ca},cert={pair.cert},key={pair.key}"
    await out_and_in(tmp_path, await context(tmp_path / "docker", endpoint))


async def test_a_context_with_ssh_takes_our_key(tmp_path: Path, shell: sshd.Sshd) -> None:
    way = await context(tmp_path / "docker", f"host={shell.host}")
    async with opened(by_ssh(shell) | way) as target:
        assert (await target.identity()).endswith("/nothing")


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda host, pair, others: by_tls(host, others, pair), "must be of the target's `tls_ca_file`"),
        (by_tls, "must know the CA of the target's `tls_cert"),
        (lambda host, *_: {"host": host}, "the engine wants TLS there"),
        (
            lambda host, pair, others: by_tls(host, pair, pair._replace(key=others.key)),
            "PEM files, and the last two a pair",
        ),
        (lambda host, pair, others: by_tls(host, pair, pair._replace(cert=Path("/no/cert"))), "PEM files"),
        (
            lambda host, pair, others: by_tls(host.replace("127.0.0.1", "localhost"), pair, pair),
            "and for the name in `host`",
        ),
    ],
)
async def test_what_is_wrong_with_tls_is_said(
    guarded: str,
    pair: papers.Papers,
    strangers: papers.Papers,
    wrong: Callable[..., dict[str, Any]],
    remedy: str,
) -> None:
    async with opened(wrong(guarded, pair, strangers)) as target:
        for call in (target.identity, target.read):
            with pytest.raises(errors.Permanent, match=remedy):
                await call()


async def test_an_engine_without_tls_is_said(pair: papers.Papers) -> None:
    address = f"127.0.0.1:{process.free_port()}"
    async with (
        gate.before(peer.need("docker").removeprefix("unix://"), address),
        opened(by_tls(f"tcp://{address}", pair, pair)) as target,
    ):
        with pytest.raises(errors.Permanent, match="the engine speaks no TLS there"):
            await target.identity()


async def test_a_host_that_nobody_knows(tmp_path: Path, shell: sshd.Sshd) -> None:
    (tmp_path / "nobody").touch()
    async with opened(by_ssh(shell, ssh_known_hosts_file=tmp_path / "nobody")) as target:
        with pytest.raises(errors.Permanent, match="`ssh-keyscan HOST`"):
            await target.identity()


async def test_a_key_that_is_refused(tmp_path: Path, shell: sshd.Sshd) -> None:
    await process.capture("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other")
    async with opened(by_ssh(shell, ssh_key_file=tmp_path / "other")) as target:
        with pytest.raises(errors.Permanent, match="in the account's authorized_keys"):
            await target.identity()


async def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    peer.need("docker")
    async with opened({"context": "nowhere", "docker_config": str(tmp_path)}) as target:
        for call in (target.identity, target.read):
            with pytest.raises(errors.Permanent, match="`docker context ls` shows"):
                await call()
