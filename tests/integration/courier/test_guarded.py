"""A NATS that asks who is there: let in, refused, or not allowed to speak; the application never notices."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from concierge_cli import nats
from concierge_proto import bus, errors, messages, settings, subjects
from tests.integration.courier import scene, trial

METRICS = Path(__file__).parents[2] / "unit/courier/dropwizard4.json"
TOKEN = (
    'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{store}" }}\nauthorization {{ token: "s3cret" }}\n'
)
DENIED = """\
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}" }}
authorization {{ users: [
  {{ user: boss, password: s3cret }}
  {{ user: courier, password: s3cret, permissions: {{ publish: {{ deny: "concierge.v1.snapshot.>" }} }} }}
] }}
"""
SHORT = ("--interval", "100ms", "--", "sh", "-c", "sleep 1; exit 5")


@contextlib.contextmanager
def guarded(folder: Path, config: str, port: int) -> Iterator[str]:
    """Run a nats-server with this configuration; the clients wait for it."""
    path = folder / "nats.conf"
    path.write_text(config.format(port=port, store=folder / "store"))
    with subprocess.Popen([nats.binary(), "--config", str(path)], stderr=subprocess.DEVNULL) as server:
        (folder / "pid").write_text(str(server.pid))
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    return path


async def test_a_token_opens_the_door(tmp_path: Path, unused_tcp_port: int, secret: Path) -> None:
    with guarded(tmp_path, TOKEN, unused_tcp_port) as url:
        async with bus.connect(settings.Nats(url=url, token_file=str(secret)), "test") as link:
            await bus.provision(link)
            words = ("run", "--service", "web", "--instance", "web-1", "--nats", url, *SHORT)
            async with scene.courier(*words, CONCIERGE_NATS__TOKEN_FILE=str(secret)) as courier:
                assert await courier.ended() == 5
                assert await courier.said() == ""
            assert [change.change for change in await scene.changes(link)] == ["started", "stopped"]


async def test_a_wrong_token_is_told_once(tmp_path: Path, unused_tcp_port: int) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    with guarded(tmp_path, TOKEN, unused_tcp_port) as url:
        words = ("run", "--service", "web", "--nats", url, "--nats-token-file", str(wrong), *SHORT)
        async with scene.courier(*words) as courier:
            assert await courier.ended() == 5
            said = await courier.said()
    assert "authorization violation" in said.lower()
    assert len(said.splitlines()) <= 3


async def test_a_subject_that_is_denied_is_named(tmp_path: Path, unused_tcp_port: int, secret: Path) -> None:
    with guarded(tmp_path, DENIED, unused_tcp_port) as url:
        async with bus.connect(
            settings.Nats(url=url, user="boss", password_file=str(secret)), "test"
        ) as link:
            await bus.provision(link)
            words = (
                "run",
                "--service",
                "web",
                "--instance",
                "web-1",
                "--nats",
                url,
                "--nats-user",
                "courier",
            )
            short = ("--interval", "100ms", "--", "sh", "-c", "sleep 3; exit 5")
            async with scene.courier(*words, "--nats-password-file", str(secret), *short) as courier:
                assert await courier.ended() == 5
                said = await courier.said()
            changes = [change.change for change in await scene.changes(link)]
    assert "permissions violation" in said.lower()
    assert subjects.snapshot("web", "web-1") in said
    assert len(said.splitlines()) <= 5
    assert changes == ["started", "stopped"]


NO_EVENTS = DENIED.replace("concierge.v1.snapshot.>", "concierge.v1.event.>")


async def test_a_change_of_state_that_is_denied_holds_no_snapshot_up(
    tmp_path: Path, unused_tcp_port: int, secret: Path
) -> None:
    with guarded(tmp_path, NO_EVENTS, unused_tcp_port) as url:
        boss = settings.Nats(url=url, user="boss", password_file=str(secret))
        async with bus.connect(boss, "test") as link:
            await bus.provision(link)
            us = ("--nats", url, "--nats-user", "courier", "--nats-password-file", str(secret))
            async with trial.courier(tmp_path, *us) as courier, aclosing(scene.snapshots(link)) as stored:
                await scene.first(stored, lambda one: one.seq > 2)
                said = await courier.stopped()
    assert f'permissions violation for publish to "{subjects.event("web", "instance")}"' in said


MUTE = DENIED.replace("concierge.v1.snapshot.>", ">")


async def test_one_that_may_say_nothing_at_all_says_so_and_harms_nobody(
    tmp_path: Path, unused_tcp_port: int, secret: Path
) -> None:
    with guarded(tmp_path, MUTE, unused_tcp_port) as url:
        words = ("run", "--service", "web", "--instance", "web-1", "--nats", url, "--nats-user", "courier")
        async with scene.courier(*words, "--nats-password-file", str(secret), *SHORT) as courier:
            assert await courier.ended() == 5
            said = await courier.said()
    assert "permissions violation" in said.lower()
    assert subjects.heartbeat("web", "web-1") in said
    assert len(said.splitlines()) <= 6


PAGE = Path(__file__).parents[3] / "docs" / "courier.md"
ACCOUNTS = """\
listen: "127.0.0.1:{{port}}"
jetstream {{{{ store_dir: "{{store}}" }}}}
authorization {{{{ users: [
  {{{{ user: boss, password: s3cret }}}}
  {web}
] }}}}
"""


@pytest.fixture
def as_the_page_says() -> str:
    """Return a server's configuration with the rights that the page gives to a courier."""
    (web,) = re.findall(r"```\n(\{ user: web.*?)```", PAGE.read_text(), re.DOTALL)
    return ACCOUNTS.format(web=web.replace("{", "{{").replace("}", "}}"))


async def test_the_rights_of_the_page_are_enough_and_no_more(
    tmp_path: Path, unused_tcp_port: int, secret: Path, as_the_page_says: str
) -> None:
    with guarded(tmp_path, as_the_page_says, unused_tcp_port) as url:
        ours = settings.Nats(url=url, user="web", password_file=str(secret))
        boss = settings.Nats(url=url, user="boss", password_file=str(secret))
        async with bus.connect(boss, "test") as link, bus.connect(ours, "other") as web:
            await bus.provision(link)
            us = ("--nats", url, "--nats-user", "web", "--nats-password-file", str(secret))
            metrics = ("--source", f"dropwizard={METRICS}")
            async with trial.courier(tmp_path, *us, *metrics) as courier:
                async with aclosing(scene.snapshots(link)) as stored:
                    found = await scene.first(stored, lambda one: one.blocks[:-1])
                    receipt = messages.Receipt(
                        service="web", instance="web-1", snapshot_id=found.id, backend="zabbix",
                        primary=True, processed=1, failed=0, total=1, elapsed_ms=1,
                    )  # fmt: skip
                    await link.tell(link.pack(subjects.receipt("web", "web-1"), receipt))
                    await scene.first(stored, lambda one: "courier.elapsed" in scene.facts(one))
                assert await link.ask(subjects.ping("web", "web-1"), 5)
                assert (await courier.stopped()) == ""
            heard = [
                one.subject async for one in link.history("TELEMETRY", subjects.discovery("web", "web-1"))
            ]
            assert len(heard) == 1
            assert [one.change for one in await scene.changes(link)] == ["started", "stopped"]
            with pytest.raises(errors.Temporary):
                await web.publish(web.pack(subjects.command("shop", "web"), found), 1.0)
            assert "command" in web.complaint
