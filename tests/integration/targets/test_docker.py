"""The one door to Docker, with a client that misbehaves on request."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from concierge_proto import errors, settings
from concierge_scheduler.targets import compose, docker, swarm

Fake = Callable[[str], None]
KILLED = """
import asyncio, os, pathlib, signal, sys
from concierge_scheduler.targets import docker
from tests.integration.targets import test_docker

docker._mourning()
for n in range(30):
    one = os.fork()
    if not one:
        asyncio.run(test_docker.client(60).call(str(n)))
    pid = pathlib.Path(sys.argv[1], str(n))
    while not (pid.exists() and pid.read_text().endswith("\\n")):
        pass
    os.kill(one, signal.SIGKILL)
    os.waitpid(one, 0)
"""
"""Somebody who calls docker, and is killed as soon as it is there; thirty times."""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a `docker` on PATH that does what the given shell script says."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def become(script: str) -> None:
        file = tmp_path / "docker"
        file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        file.chmod(0o755)

    return become


async def true(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


def gone(pid: Path) -> bool:
    """Tell whether the process has ended; who reaps it, where nobody is left, is the machine's affair."""
    try:
        stat = Path(f"/proc/{pid.read_text().strip()}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def client(seconds: float = 5, host: str = "", context: str = "") -> docker.Client:
    config = settings.Target(kind="compose", timeout=settings.Duration(seconds), host=host, context=context)
    return docker.Client("shop", config, {"web": settings.Service(target="shop", name="shop_web", max=3)})


async def test_gives_what_docker_prints(fake: Fake) -> None:
    fake('echo "$@"')
    assert await client(host="tcp://engine:1").run("ps") == "--host tcp://engine:1 ps"
    assert await client(context="far").run("ps") == "--context far ps"


async def test_compose_is_asked_with_the_targets_own_files(fake: Fake) -> None:
    fake('echo "$@"')
    target = settings.Target(
        kind="compose",
        project="shop",
        files=("a.yaml", "/else/b.yaml"),
        project_directory="/srv/shop",
        env_files=("prod.env",),
        profiles=("web", "jobs"),
    )
    assert await docker.Client("shop", target, {}).compose("ps") == (
        "compose --file /srv/shop/a.yaml --file /else/b.yaml --profile web --profile jobs "
        "--env-file /srv/shop/prod.env --project-name shop --project-directory /srv/shop ps"
    )


async def test_foreign_variables_do_not_reach_docker(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "SHOP_COLOUR"):
        monkeypatch.setenv(name, "leaked")
    fake("env")
    seen = {line.partition("=")[0] for line in (await client().run("ps")).splitlines()}
    assert "SHOP_COLOUR" in seen, "what a compose file interpolates stays"
    assert not [name for name in seen if name.startswith(("DOCKER_", "COMPOSE_"))]


async def test_nobody_is_asked_at_a_terminal(fake: Fake) -> None:
    fake("read -r answer; echo \"ended with $? and '$answer'\"")
    assert await client().run("ps") == "ended with 1 and ''"


async def test_what_docker_said_reaches_the_error(fake: Fake) -> None:
    fake("echo 'no such service: web' >&2; exit 1")
    with pytest.raises(errors.Permanent, match="target shop: no such service: web"):
        await client().run("ps")


async def test_bytes_that_are_no_text_are_still_an_error_of_docker(fake: Fake) -> None:
    fake("printf 'no such service: w\\377b' >&2; exit 1")
    with pytest.raises(errors.Permanent, match="no such service: w\N{REPLACEMENT CHARACTER}b"):
        await client().run("ps")


async def test_a_listing_that_is_none_names_the_client(fake: Fake) -> None:
    fake("echo 'CONTAINER ID   IMAGE'")
    with pytest.raises(errors.Permanent, match="is it Docker's own client"):
        await client().rows(compose.Row, "ps")


async def test_no_client_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.Permanent, match="`docker`, `timeout` and `env` on its PATH"):
        await client().run("ps")


@pytest.mark.parametrize("script", ["exec sleep 100", "trap '' TERM; while :; do sleep 0.1; done"])
@pytest.mark.parametrize("kind", [docker.Client.run, docker.Client.call])
async def test_what_hangs_is_ended(
    fake: Fake, tmp_path: Path, script: str, kind: Callable[[docker.Client, str], Awaitable[str]]
) -> None:
    fake(f"echo $$ > {tmp_path}/pid; {script}")
    began = time.monotonic()
    with pytest.raises(errors.Temporary, match="did not answer in time"):
        await kind(client(0.5), "ps")
    assert time.monotonic() - began < 5
    await true(lambda: gone(tmp_path / "pid"))


async def test_a_change_dies_with_its_scheduler_however_early_that_is_killed(
    fake: Fake, tmp_path: Path
) -> None:
    """On one core with somebody busy, docker's first word is often out before its timeout runs on after the fork."""
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv")
    core = str(min(os.sched_getaffinity(0)))
    fake(f"echo $$ > {tmp_path}/$1; exec sleep 60")
    busy = await asyncio.create_subprocess_exec("taskset", "-c", core, "sh", "-c", "while :; do :; done")
    try:
        killed = await asyncio.create_subprocess_exec(
            *("taskset", "-c", core, sys.executable, "-c", KILLED, str(tmp_path))
        )
        assert not await killed.wait()
    finally:
        busy.kill()
        await busy.wait()
    for n in range(30):
        await true(lambda n=n: gone(tmp_path / str(n)))  # type: ignore[misc]


async def test_a_hanging_target_costs_its_own_turns_alone(fake: Fake) -> None:
    fake('case "$*" in *hang*) exec sleep 100;; esac; echo here')
    hung, well = client(60), client(60)
    calls = [asyncio.create_task(hung.run("hang")) for _ in range(docker.CHILDREN * 2)]
    await asyncio.sleep(0)
    began = time.monotonic()
    assert await well.run("ps") == "here"
    assert time.monotonic() - began < 20
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert len(hung._running) <= docker.CHILDREN
    await hung.close()


async def test_a_caller_that_leaves_does_not_free_its_childs_turn(fake: Fake, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    fake(f"cat {tmp_path}/gate")
    one = client()
    call = asyncio.create_task(one.run("ps"))
    await true(lambda: one._running)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert one._turns._value == docker.CHILDREN - 1
    (tmp_path / "gate").write_text("go")
    await one.close()
    assert one._turns._value == docker.CHILDREN


async def test_a_call_under_way_is_finished_before_the_target_closes(fake: Fake, tmp_path: Path) -> None:
    fake(f"sleep 0.3; touch {tmp_path}/done")
    one = client()
    call = asyncio.create_task(one.run("ps"))
    await true(lambda: one._running)
    await one.close()
    assert (tmp_path / "done").exists()
    await call


async def test_an_unknown_service_never_reaches_docker(fake: Fake) -> None:
    fake("echo 'docker was called' >&2; exit 1")
    with pytest.raises(errors.Permanent, match=r"\[services.other\]"):
        client().called("other")
    assert client().called("web") == "shop_web"


async def test_an_update_that_meets_anothers_is_tried_again(fake: Fake, tmp_path: Path) -> None:
    inspected = '{"ID":"s1","Spec":{"Name":"shop_web"}}'
    fake(
        f"""case "$*" in
        *inspect*) echo '{inspected}';;
        *update*) echo "$@" >> {tmp_path}/calls; [ $(wc -l < {tmp_path}/calls) -ge 3 ] && exit 0
            echo 'rpc error: code = Unknown desc = update out of sequence' >&2; exit 1;;
        esac"""
    )
    services = {"web": settings.Service(target="shop", name="shop_web", max=3)}
    async with swarm.open("shop", settings.Target(kind="swarm"), services, "") as target:
        await target.scale("web", 2, "i1")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["service update --detach --quiet --replicas 2 --label-add concierge.intent=i1 s1"] * 3


async def test_an_order_to_go_that_swarm_has_lost_is_given_again(fake: Fake, tmp_path: Path) -> None:
    inspected = '{"ID":"s1","Spec":{"Name":"shop_web"}}'
    task = '{"ID":"t%s","Name":"shop_web.%s","Node":"n","DesiredState":"Running","CurrentState":"Running","Error":""}'
    lines = "".join(f"{task % (n, n)}\n" for n in (1, 2, 3))
    (tmp_path / "tasks").write_text(lines, "utf-8")
    fake(
        f"""case "$*" in
        *inspect*) echo '{inspected}';;
        *update*) echo x >> {tmp_path}/calls; [ $(wc -l < {tmp_path}/calls) -ge 2 ] && sed -i 3d {tmp_path}/tasks;;
        *ps*) cat {tmp_path}/tasks;;
        esac; exit 0"""
    )
    services = {"web": settings.Service(target="shop", name="shop_web", max=3)}
    async with swarm.open("shop", settings.Target(kind="swarm"), services, "") as target:
        await target.scale("web", 2, "i1")
    assert (tmp_path / "calls").read_text().splitlines() == ["x", "x"]


async def test_an_update_that_never_gets_through_is_temporary(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarm, "JITTER", 0.001)
    fake(
        """case "$*" in *update*) echo 'update out of sequence' >&2; exit 1;;
        *inspect*) echo '{"ID":"s1","Spec":{"Name":"shop_web"}}';; esac"""
    )
    services = {"web": settings.Service(target="shop", name="shop_web", max=3)}
    async with swarm.open("shop", settings.Target(kind="swarm"), services, "") as target:
        with pytest.raises(errors.Temporary, match="same moment"):
            await target.scale("web", 2, "i1")


async def test_the_beginning_of_an_id_is_no_name(fake: Fake) -> None:
    fake("""case "$*" in *inspect*) echo '{"ID":"web9f","Spec":{"Name":"bank"}}';; esac""")
    services = {"web": settings.Service(target="shop", max=3)}
    async with swarm.open("shop", settings.Target(kind="swarm"), services, "") as target:
        assert await target.read() == {}
        with pytest.raises(errors.Permanent, match="no such service: web"):
            await target.scale("web", 2, "i1")


async def test_a_worker_is_no_manager(fake: Fake) -> None:
    fake("""echo '{"NodeID":"n1","LocalNodeState":"active","ControlAvailable":false,"Cluster":null}'""")
    async with swarm.open("shop", settings.Target(kind="swarm"), {}, "") as target:
        with pytest.raises(errors.Permanent, match="no swarm manager"):
            await target.identity()


async def test_a_child_that_changes_something_ends_with_its_parent(fake: Fake, tmp_path: Path) -> None:
    fake(f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 100")
    program = (
        "import asyncio\nfrom concierge_proto import settings\nfrom concierge_scheduler.targets import docker\n"
        "asyncio.run(docker.Client('shop', settings.Target(kind='compose'), {}).call('restart'))"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    await true((tmp_path / "pid").exists)
    assert not gone(tmp_path / "pid")
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await true(lambda: gone(tmp_path / "pid"))
