"""Ways to be let in: token, user, TLS with a CA of one's own, a client certificate; and a server that comes late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from concierge_cli import nats
from concierge_cli.demo import scene
from concierge_proto import bus, errors, settings
from tests import papers


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> papers.Papers:
    return papers.make(tmp_path_factory.mktemp("papers"))


@contextlib.asynccontextmanager
async def serving(folder: Path, config: str) -> AsyncIterator[str]:
    """Run a nats-server with this configuration; yields its URL once it listens."""
    port = scene.free_port("127.0.0.1")
    path = folder / "own.conf"
    path.write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder / "store"}" }}\n{config}', "utf-8"
    )
    with (folder / "log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(nats.binary(), "--config", str(path), stderr=log)
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield f"nats://127.0.0.1:{port}"
    finally:
        await nats.stop(child)


async def works(where: settings.Nats) -> None:
    async with asyncio.timeout(10), bus.connect(where, "test") as link:
        await bus.provision(link)
        assert link.connected


async def waits(where: settings.Nats) -> None:
    """It is not let in, and goes on trying: no time-out of its own, and no crash."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5), bus.connect(where, "test"):
            pytest.fail("let in")


def secret(folder: Path, text: str) -> str:
    path = folder / f"secret-{hash(text)}"
    path.write_text(text, "utf-8")
    return str(path)


async def test_token(tmp_path: Path) -> None:
    async with serving(tmp_path, 'authorization { token: "right" }') as url:
        await works(settings.Nats(url=url, token_file=secret(tmp_path, "right")))
        await waits(settings.Nats(url=url, token_file=secret(tmp_path, "wrong")))


async def test_user_and_password(tmp_path: Path) -> None:
    async with serving(tmp_path, 'authorization { user: "desk", password: "right" }') as url:
        await works(settings.Nats(url=url, user="desk", password_file=secret(tmp_path, "right")))
        await waits(settings.Nats(url=url, user="desk", password_file=secret(tmp_path, "wrong")))


async def test_tls_with_a_ca_of_our_own(tmp_path: Path, pair: papers.Papers) -> None:
    config = f'tls {{ cert_file: "{pair.cert}", key_file: "{pair.key}" }}'
    async with serving(tmp_path, config) as url:
        await works(settings.Nats(url=url, ca_file=str(pair.ca)))
        await waits(settings.Nats(url=url.replace("nats://", "tls://")))


async def test_a_client_certificate(tmp_path: Path, pair: papers.Papers) -> None:
    config = f'tls {{ cert_file: "{pair.cert}", key_file: "{pair.key}", ca_file: "{pair.ca}", verify: true }}'
    async with serving(tmp_path, config) as url:
        bare = settings.Nats(url=url, ca_file=str(pair.ca))
        await works(msgspec.structs.replace(bare, cert_file=str(pair.cert), key_file=str(pair.key)))
        await waits(bare)


async def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.Permanent, match=r"nats\.token_file: cannot read"):
        async with bus.connect(
            settings.Nats(url="nats://127.0.0.1:1", token_file=str(tmp_path / "none")), "test"
        ):
            pytest.fail("connected")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "nats://desk:s3cret@127.0.0.1:port"}, r"nats\.url: '127\.0\.0\.1:port' is no address"),
        ({"url": "http://127.0.0.1:1"}, r"nats\.url: .* write nats://"),
        ({"user": "desk"}, r"nats\.user and nats\.password_file go together"),
        ({"creds_file": "/none"}, r"nats\.creds_file: cannot read /none"),
        ({"creds_file": "/etc/passwd"}, r"nats\.creds_file: .*BEGIN USER NKEY SEED"),
        ({"ca_file": "/none"}, r"no certificate or key of use in /none"),
        ({"ca_file": "/etc/passwd"}, r"no certificate or key of use in /etc/passwd"),
    ],
)
async def test_what_cannot_be_is_named(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(errors.Permanent, match=words):
        async with bus.connect(settings.Nats(**{"url": "nats://127.0.0.1:1", **wrong}), "test"):  # type: ignore[arg-type]
            pytest.fail("connected")


async def test_credentials_name_the_library_that_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    seed = "-----BEGIN USER NKEY SEED-----\nSU\n------END USER NKEY SEED------\n"
    where = settings.Nats(url="nats://127.0.0.1:1", creds_file=secret(tmp_path, seed))
    with pytest.raises(errors.Permanent, match=r"pip install 'nats-py\[nkeys\]'"):
        bus.check(where)


async def test_a_server_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    port = scene.free_port("127.0.0.1")
    connecting = asyncio.create_task(works(settings.Nats(url=f"nats://127.0.0.1:{port}")))
    await asyncio.sleep(0.3)
    async with nats.server(tmp_path / "store", tmp_path / "run", port=port):
        await connecting
