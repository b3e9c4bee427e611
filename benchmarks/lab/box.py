"""A container of the lab, and what the kernel says about it, read from outside so that it costs the container nothing."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

CGROUPS = Path("/sys/fs/cgroup")
MB = 1024 * 1024


class Usage(NamedTuple):
    """Since the container's start."""

    cpu: float
    """Seconds."""
    wire: int
    """Bytes over its network interface, both ways."""


class Box:
    """One that runs."""

    def __init__(self, proc: Path, name: str) -> None:
        self._proc, self.name = proc, name
        rows = [row.split(":", 2) for row in (self._proc / "cgroup").read_text().splitlines()]
        self._paths = {name: path.lstrip("/") for _, names, path in rows for name in names.split(",")}

    def usage(self) -> Usage:
        return Usage(self._cpu(), self._wire())

    def memory(self, field: str = "VmHWM") -> float:
        """Return MB of the first process: its peak, or with `VmRSS` what it has now."""
        return _memory(self._proc, field)

    def together(self) -> float:
        """Return MB that the first process and its children have now."""
        first = self._proc.name
        children = (self._proc / "task" / first / "children").read_text().split()
        return sum(_memory(self._proc.with_name(pid), "VmRSS") for pid in (first, *children))

    def charged(self) -> float:
        """Return the MB that the whole container was charged at its peak, with the pages of files that it read."""
        name = "memory.max_usage_in_bytes" if "memory" in self._paths else "memory.peak"
        return int(self._folder("memory").joinpath(name).read_text()) / MB

    def _cpu(self) -> float:
        if "cpuacct" in self._paths:
            return int((self._folder("cpuacct") / "cpuacct.usage").read_text()) / 1e9
        rows = dict(line.split() for line in (self._folder("") / "cpu.stat").read_text().splitlines())
        return int(rows["usage_usec"]) / 1e6

    def _wire(self) -> int:
        lines = (self._proc / "net/dev").read_text().splitlines()
        fields = next(line.partition(":")[2].split() for line in lines if "eth0:" in line)
        return int(fields[0]) + int(fields[8])

    def _folder(self, controller: str) -> Path:
        """Version 1 has a tree for each controller, version 2 one for all."""
        if controller in self._paths:
            return CGROUPS / controller / self._paths[controller]
        return CGROUPS / self._paths[""]


@contextlib.asynccontextmanager
async def running(image: str, folder: Path, *command: str, cpus: float = 0.2) -> AsyncIterator[Box]:
    """Run a command in a container of the lab, with `folder` at /lab."""
    name = f"lab-{secrets.token_hex(4)}"
    limits = ("--memory", "128m", "--cpus", f"{cpus:g}", "--volume", f"{folder}:/lab")
    number = await docker("run", "--detach", "--name", name, *limits, image, *command)
    try:
        yield Box(_first(number), name)
    finally:
        await docker("rm", "--force", name)


def _memory(proc: Path, field: str) -> float:
    lines = (proc / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def _first(container: str) -> Path:
    """Return /proc/PID of a container's first process; the engine's own number means nothing outside its namespace."""
    for proc in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if container in (proc / "cgroup").read_text() and _number(proc) == "1":
                return proc
    raise RuntimeError(f"container {container[:12]} does not run")


def _number(proc: Path) -> str:
    """Return its number inside."""
    lines = (proc / "status").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("NSpid:"))


async def docker(*words: str, stderr: bool = False) -> str:
    """Return what `docker WORDS` prints, with `stderr` that instead; fail with what it says."""
    child = await asyncio.create_subprocess_exec(
        *("docker", "--host", os.environ["PEER_DOCKER_HOST"], *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"docker {words[0]}: {said.decode(errors='replace')}")
    return (said if stderr else out).decode().strip()
