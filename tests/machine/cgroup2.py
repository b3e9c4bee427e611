"""See the courier under a kernel that has control groups of version 2 alone: a virtual machine, outside CI.

    make courier-executable && python -m tests.machine.cgroup2

It boots Debian's own kernel in qemu (`apt-get install qemu-system-x86`; the kernel and busybox are fetched by
`apt-get download` and unpacked, not installed), makes a group with bounds and a namespace as Docker does, and runs
the self-contained executable in it, which is the machine's first sight of Python. The application reads a disk,
burns, and eats until it is killed; then another one. What the courier said of that over NATS is compared: about a minute
and a half by emulation, and exit code 0 when all is true.
"""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from concierge_cli import nats
from concierge_proto import bus, messages, settings, subjects
from tests.integration.courier import scene

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "machine"
SCREEN = CACHE / "screen"
EXECUTABLE = ROOT / "build" / "courier" / "concierge-courier"
PATIENCE = 400.0
"""Seconds until the machine has powered off: an emulated one is slow."""
MODULES = (
    *("drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_modern_dev"),
    *("drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci", "net/core/failover"),
    *("drivers/net/net_failover", "drivers/net/virtio_net", "drivers/block/virtio_blk"),
)
"""Each after what it needs."""
LIBRARIES = (
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libz.so.1",
    "libpthread.so.0",
    "libutil.so.1",
    "librt.so.1",
)
MEMORY, PIDS, CPUS = 96 * 1024 * 1024, 64, 0.6
READ = 8 * 1024 * 1024
"""Bytes of the disk."""

INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
for module in {modules}; do insmod /modules/$module.ko; done
ifconfig lo up; ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
mount -t cgroup2 none /sys/fs/cgroup
echo '+cpu +memory +pids +io' >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/bounded
echo {memory} >/sys/fs/cgroup/bounded/memory.max
echo {pids} >/sys/fs/cgroup/bounded/pids.max
echo {quota} 100000 >/sys/fs/cgroup/bounded/cpu.max
sh -c 'echo 0 >/sys/fs/cgroup/bounded/cgroup.procs; exec /unshare --cgroup --mount sh /inside'
poweroff -f
"""
INSIDE = """\
umount /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
us="--service web --instance web-1 --nats nats://10.0.2.2:{port} --interval 2s --source container"
concierge-courier run $us --restarts on-failure -- sh /application
concierge-courier run $us -- tail /dev/zero
echo "it ended with $?"
"""
APPLICATION = """\
test -e /tmp/again && exec sleep 5
touch /tmp/again
dd if=/dev/vda of=/dev/null bs=1M count={count} 2>/dev/null
timeout 5 sh -c 'while :; do :; done'
sleep 5
exec tail /dev/zero
"""
ENDS = [("oom, started again in 0.1 s", 137), ("exited", 0), ("oom", 137)]

Facts = dict[str, messages.Value]


class Claim(NamedTuple):
    """One, and what was seen."""

    what: str
    found: object
    true: bool


def main() -> int:
    """Return 0: all that the courier said was true."""
    if not (shutil.which("qemu-system-x86_64") and EXECUTABLE.exists()):
        raise SystemExit(f"qemu-system-x86_64 and {EXECUTABLE.relative_to(ROOT)} are needed; see --help")
    claims = asyncio.run(watched())
    for one in claims:
        sys.stdout.write(f"{'ok' if one.true else 'FALSE':6}{one.what:60} {one.found}\n")
    return 0 if claims and all(one.true for one in claims) else 1


async def watched() -> list[Claim]:
    """Run the machine beside a NATS, and judge what that has heard."""
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        async with listening(room) as (link, port):
            printed = await booted(room, port)
            subject = subjects.snapshot("web", "web-1")
            stored = [
                scene.facts(one.read(messages.Snapshot)) async for one in link.history("TELEMETRY", subject)
            ]
            changes = await scene.changes(link)
    if len(stored) < 2:
        raise SystemExit(f"nothing was heard; what the machine said is in {SCREEN}")
    reasons = [(one.reason, one.exit_code) for one in changes if one.change == "stopped"]
    return [*bounds(stored[-1]), *counts(stored[0], stored[-1]), *ends(reasons, printed)]


@contextlib.asynccontextmanager
async def listening(room: Path) -> AsyncIterator[tuple[bus.Bus, int]]:
    async with (
        nats.server(room / "store", room / "run") as url,
        bus.connect(settings.Nats(url=url), "machine") as link,
    ):
        await bus.provision(link)
        yield link, urlsplit(url).port or 0


def bounds(after: Facts) -> list[Claim]:
    wanted = {"memory.limit": MEMORY, "pids.limit": PIDS, "cpu.limit": CPUS}
    found = {name: after.get(f"container.{name}") for name in wanted}
    return [
        Claim(f"container.{name} is {wanted[name]}", found[name], found[name] == wanted[name])
        for name in wanted
    ]


def counts(before: Facts, after: Facts) -> list[Claim]:
    """Return what must have grown, and by how much at least."""
    least = {
        "memory.oom_kills": 1,
        "memory.limit_hits": 1,
        "cpu.usage": 2,
        "cpu.periods": 10,
        "cpu.throttled": 5,
        "cpu.throttled_time": 0.1,
    }
    grown = {name: grew(before, after, f"container.{name}") for name in least}
    read, peak = after.get("container.io.read_bytes"), float(after.get("container.memory.peak") or 0)
    return [
        *(
            Claim(f"container.{name} grew by {least[name]}", grown[name], grown[name] >= least[name])
            for name in least
        ),
        Claim(
            "container.memory.oom_kills was 0",
            before.get("container.memory.oom_kills"),
            before.get("container.memory.oom_kills") == 0,
        ),
        Claim(f"container.io.read_bytes is {READ} or more", read, float(read or 0) >= READ),
        Claim("container.memory.peak is up to the limit", peak, MEMORY * 0.9 < peak <= MEMORY),
    ]


def grew(before: Facts, after: Facts, name: str) -> float:
    return float(after.get(name, -1)) - float(before.get(name, 0))


def ends(reasons: list[tuple[str, int | None]], printed: str) -> list[Claim]:
    return [
        Claim("what was killed is called oom, and nothing else", reasons, reasons == ENDS),
        Claim("the exit code is the application's", "137", "it ended with 137" in printed),
    ]


async def booted(room: Path, port: int) -> str:
    """Boot, wait for the end, and return what was on the screen."""
    kernel = unpacked("linux-image-cloud-amd64")
    (room / "disk").write_bytes(bytes(2 * READ))
    initrd = packed(room / "root", kernel, port)
    words = (
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024", "-nographic", "-no-reboot"),
        *("-kernel", str(next(kernel.glob("boot/vmlinuz-*"))), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 panic=-1 quiet", "-nic", "user,model=virtio-net-pci"),
        *("-drive", f"file={room}/disk,if=virtio,format=raw"),
    )
    with SCREEN.open("wb") as screen:
        child = await asyncio.create_subprocess_exec(
            "qemu-system-x86_64", *words, stdin=asyncio.subprocess.DEVNULL, stdout=screen
        )
    try:
        async with asyncio.timeout(PATIENCE):
            await child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
    return SCREEN.read_text("utf-8", "replace")


def packed(root: Path, kernel: Path, port: int) -> Path:
    """Return the first file system: the executable, the libraries that every Debian has, and busybox."""
    libraries = root / "lib" / "x86_64-linux-gnu"
    for folder in (
        libraries,
        *(root / name for name in ("bin", "lib64", "modules", "proc", "sys", "dev", "tmp")),
    ):
        folder.mkdir(parents=True)
    busybox = unpacked("busybox-static") / "bin" / "busybox"
    shutil.copy(busybox, root / "bin")
    shutil.copy(EXECUTABLE, root / "bin")
    shutil.copy(shutil.which("unshare") or "unshare", root / "unshare")
    shutil.copy("/lib64/ld-linux-x86-64.so.2", root / "lib64")
    for name in LIBRARIES:
        shutil.copy(Path("/lib/x86_64-linux-gnu") / name, libraries)
    for name in MODULES:
        shutil.copy(next(kernel.glob(f"lib/modules/*/kernel/{name}.ko")), root / "modules")
    scripts(root, port)
    command = f"find . | {busybox} cpio -o -H newc | gzip -1 >../initrd"
    subprocess.run(["sh", "-c", command], cwd=root, check=True, stderr=subprocess.DEVNULL)
    return root.parent / "initrd"


def scripts(root: Path, port: int) -> None:
    modules = " ".join(Path(name).name for name in MODULES)
    init = INIT.format(modules=modules, memory=MEMORY, pids=PIDS, quota=int(CPUS * 100_000))
    (root / "init").write_text(init)
    (root / "init").chmod(0o755)
    (root / "inside").write_text(INSIDE.format(port=port))
    (root / "application").write_text(APPLICATION.format(count=READ >> 20))


def unpacked(package: str) -> Path:
    """Return the folder of a Debian package, of what it depends on when it is empty itself."""
    folder = CACHE / package
    if not folder.exists():
        name = real(package)
        folder.mkdir(parents=True)
        subprocess.run(["apt-get", "download", "--quiet", name], cwd=folder, check=True)
        subprocess.run(
            ["dpkg-deb", "--extract", str(next(folder.glob("*.deb"))), "."], cwd=folder, check=True
        )
    return folder


def real(package: str) -> str:
    """Return the kernel that a meta package stands for now."""
    said = subprocess.run(
        ["apt-cache", "depends", package], check=True, capture_output=True, text=True
    ).stdout
    words = [line.split()[-1] for line in said.splitlines() if "Depends: linux-image-" in line]
    return words[0] if words else package


if __name__ == "__main__":
    if sys.argv[1:]:
        raise SystemExit(__doc__)
    sys.exit(main())
