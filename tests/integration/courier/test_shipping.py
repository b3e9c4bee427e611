"""What is shipped: the wheels in an environment of their own, and one file in a Debian without Python."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from concierge_cli import nats
from concierge_courier import sources
from concierge_proto import bus, settings, subjects
from tests import peer
from tests.containers import docker
from tests.integration.courier import scene

pytestmark = [pytest.mark.xdist_group("courier-executable"), pytest.mark.timeout(400)]
"""Made once, by one worker: 15 s, and minutes on a machine that has much else to do."""
ROOT = Path(__file__).parents[3]
SHIP = ROOT / "build" / "courier"
METRICS = ROOT / "tests" / "unit" / "courier" / "dropwizard4.json"
LIGHT = 2_000_000
"""Bytes of everything that the courier needs beside Python."""

WITHOUT_PYTHON = """\
FROM {base}
RUN rm -rf /usr/bin/python3* /usr/bin/pydoc3* /usr/lib/python3* /usr/local/bin/python* /usr/local/lib/python*
"""


@pytest.fixture(scope="module")
def executable() -> Path:
    """The one that `make` makes, about 15 s when a source has changed."""
    clean = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL", "ARGS"}}
    words = ["make", "--no-print-directory", "courier-executable"]
    done = subprocess.run(words, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
    if "shared library" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip(
            "this Python has no shared library to put into the file (Debian: apt-get install libpython3.11)"
        )
    assert done.returncode == 0, done.stderr
    return SHIP / "concierge-courier"


@pytest.fixture(scope="module")
def alone(executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which nothing is but the courier's wheels."""
    folder = tmp_path_factory.mktemp("alone") / "env"
    uv = shutil.which("uv") or ROOT / ".tools" / "bin" / "uv"
    install = [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python"]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [*install, "--require-hashes", "--requirement", SHIP / "requirements.txt"],
        [*install, "--no-index", *(SHIP / "wheels").glob("*.whl")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


def test_it_is_these_four_and_light(alone: Path) -> None:
    (site,) = (alone / "lib").glob("python*/site-packages")
    found = {path.name for path in site.iterdir() if path.is_dir() and not path.name.endswith(".dist-info")}
    assert found == {"concierge_courier", "concierge_proto", "msgspec", "nats"}
    sizes = [path.stat().st_size for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(sizes) <= LIGHT


async def test_the_wheels_run_without_anything_else(alone: Path, link: bus.Bus, nats_url: str) -> None:
    words = ("run", "--service", "web", "--instance", "web-1", "--nats", nats_url, "--interval", "100ms")
    shell = ("--source", f"dropwizard={METRICS}", "--", "sh", "-c", "sleep 1; exit 5")
    process = await asyncio.create_subprocess_exec(
        alone / "bin" / "concierge-courier", *words, *shell, env={"PATH": os.defpath}
    )
    async with asyncio.timeout(20):
        assert await process.wait() == 5
    async with contextlib.aclosing(scene.snapshots(link)) as stored:
        assert (await scene.first(stored, lambda found: found.total > 50)).seq == 1


@pytest.mark.parametrize("form", ["wheels", "file"])
def test_every_kind_of_source_is_inside(executable: Path, alone: Path, form: str) -> None:
    """A kind is imported by its name when it is asked for: whoever packs the courier may miss it."""
    program = executable if form == "file" else alone / "bin" / "concierge-courier"
    for kind in sources.KINDS:
        done = subprocess.run(
            [program, "run", "--dry-run", "--source", f"{kind}=/nowhere"],
            capture_output=True, text=True, check=False, timeout=20, env={"PATH": os.defpath},
        )  # fmt: skip
        assert "Error" not in done.stderr, f"{kind}: {done.stderr}"


def test_the_application_gets_the_environment_that_was_there(executable: Path) -> None:
    environ = {"PATH": os.defpath, "LD_LIBRARY_PATH": "/app/lib"}
    words = ["run", "--service", "web", "--nats", "nats://127.0.0.1:1", "--grace", "100ms", "--", "env"]
    done = subprocess.run(
        [executable, *words], env=environ, capture_output=True, text=True, check=True, timeout=20
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert seen["LD_LIBRARY_PATH"] == "/app/lib"
    assert [name for name in seen if name.startswith(("_PYI", "_MEI", "LD_LIBRARY_PATH_"))] == []


def test_it_starts_soon_and_is_small(executable: Path) -> None:
    begun = time.monotonic()
    subprocess.run([executable, "--version"], check=True, stdout=subprocess.DEVNULL, timeout=20)
    assert time.monotonic() - begun < 5  # 0.3 s on an idle machine
    assert executable.stat().st_size < 20_000_000


@pytest.fixture
def folder(tmp_path: Path, executable: Path) -> Path:
    """What the page says to write, around a Debian without Python."""
    page = (ROOT / "docs" / "courier.md").read_text()
    (lines,) = re.findall(r"```dockerfile\n(COPY concierge-courier.*?)```", page, re.DOTALL)
    base = WITHOUT_PYTHON.format(base=peer.need("image"))
    metrics = "COPY metrics.json /metrics.json\n"
    (tmp_path / "Dockerfile").write_text(base + metrics + lines)
    shutil.copy(executable, tmp_path)
    shutil.copy(METRICS, tmp_path / "metrics.json")
    return tmp_path


ORPHANS = """\
command -v python3 && exit 9
for number in 1 2 3; do sh -c 'sleep 0.1 & exec true'; done
sleep 1.5
grep -l 'State:.Z' /proc/[0-9]*/status && exit 8
trap 'exit 7' TERM
while :; do sleep 0.1; done
"""


async def test_one_file_runs_as_the_first_process_of_a_debian_without_python(
    folder: Path, tmp_path: Path
) -> None:
    name = f"courier-{os.getpid()}-{time.monotonic_ns()}"
    await docker("build", "--quiet", "--tag", name, str(folder), DOCKER_BUILDKIT="0")
    listen = os.environ["PEER_DOCKER_GATEWAY"]
    async with (
        nats.server(tmp_path / "store", tmp_path / "run", listen=listen) as url,
        bus.connect(settings.Nats(url=url), "test") as link,
    ):
        await bus.provision(link)
        words = ("run", "--service", "web", "--instance", "web-1", "--nats", url, "--interval", "200ms")
        try:
            await docker(
                *("run", "--detach", "--name", name, "--entrypoint", "concierge-courier", name, *words),
                *("--source", "dropwizard=/metrics.json", "--", "sh", "-c", ORPHANS),
            )
            async with contextlib.aclosing(scene.snapshots(link)) as stored:
                snapshot = await scene.first(stored, lambda found: found.seq > 12)
            assert snapshot.total > 50
            assert snapshot.sources[0].error == ""
            await docker("stop", name)
            code = await docker("inspect", "--format", "{{.State.ExitCode}}", name)
            assert (code, await docker("logs", name)) == ("7", "")
            stopped = (await scene.changes(link))[-1]
            assert (stopped.change, stopped.reason, stopped.exit_code) == ("stopped", "stopped", 7)
            assert [one.subject for one in await heard(link)] == [subjects.heartbeat("web", "web-1")]
        finally:
            await docker("rm", "--force", name)
            await docker("image", "rm", "--force", name)


async def heard(link: bus.Bus) -> list[bus.Delivery]:
    return [one async for one in link.history("PRESENCE", subjects.heartbeat("web", "web-1"))]
