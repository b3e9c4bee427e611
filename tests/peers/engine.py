"""A private Docker Engine: its own folders, bridge, addresses, cgroup and namespaces; it leaves the host's firewall alone."""

import asyncio
import contextlib
import json
import random
import shutil
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tests import papers

from . import house, install, process

# In the daemon's own mounts: no containerd of the machine is found and nothing is left in /run; forwarding looks
# switched on, or each container would be created with a warning (it is off, and nothing here needs it).
PREPARE = (
    "mount -t tmpfs tmpfs /run && echo 1 > /run/on && mount --bind /run/on /proc/sys/net/ipv4/ip_forward"
)
PREPARED = ("sh", "-c", f'{PREPARE} && exec "$@"', "sh")


@dataclass(frozen=True)
class Engine:
    """A running engine; ``environment`` finds the client, ``network`` is None if the engine is not ours."""

    host: str
    gateway: str
    environment: dict[str, str]
    network: IPv4Network | None
    tls: str = ""
    """``tcp://``, where it asks for a certificate; empty: nowhere."""
    papers: Path | None = None
    """The folder with ``ca.pem``, ``cert.pem`` and ``key.pem`` for that."""

    async def docker(self, *words: str | Path, seconds: float = 60, stdin: Path | None = None) -> str:
        text = await process.capture(
            "docker", "--host", self.host, *words, env=self.environment, seconds=seconds, stdin=stdin
        )
        return text.strip()


async def existing(at: house.House) -> Engine | None:
    """The engine that the docker client reaches by itself, if one answers."""
    try:
        await process.capture("docker", "info", env=at.environment, seconds=10)
        host = await process.capture(
            "docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}", env=at.environment
        )
        gateway = await process.capture(
            *("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"),
            env=at.environment,
        )
    except (process.Unavailable, OSError):
        return None
    return Engine(host.strip(), gateway.strip(), at.environment, None)


async def start(at: house.House, room: Path, stack: AsyncExitStack) -> Engine:
    """Start ``dockerd`` in the background of ``stack`` and wait until it answers."""
    root = await install.provide(at, install.DOCKER)
    network = reserve(stack)
    bridge = f"cp{network.network_address.packed[1]}"
    cgroup = room.parent.name
    house.note(room, network, cgroup)
    shown = await asyncio.to_thread(papers.make, room / "tls")
    engine = Engine(
        f"unix://{room}/docker.sock",
        str(gateway(network)),
        client(at, root),
        network,
        f"tcp://127.0.0.1:{process.free_port()}",
        shown.ca.parent,
    )
    prefix = network.prefixlen + 8
    for words in (
        ("link", "add", bridge, "type", "bridge"),
        ("address", "add", f"{engine.gateway}/{prefix}", "dev", bridge),
        ("link", "set", bridge, "up"),
    ):
        await process.capture("ip", *words)
    data = storage(at, room, stack)
    config = settings(room, data, network, bridge) | listening(engine.host, engine.tls, shown)
    (room / "docker.json").write_text(json.dumps(config))
    command = (*process.NAMESPACE, *PREPARED, root.program("tini"), "--", root.program("dockerd"))
    daemon = await process.start(
        stack, (*command, "--config-file", room / "docker.json"), room / "dockerd.log", env=tools(root, room)
    )
    await process.until(lambda: alive(engine), daemon)
    await empty(engine)
    stack.push_async_callback(quietly_empty, engine)
    return engine


def settings(room: Path, data: Path, network: IPv4Network, bridge: str) -> dict[str, object]:
    pool = next(network.subnets(prefixlen_diff=2))
    return {
        "data-root": str(data),
        "exec-root": str(room / "exec"),
        "pidfile": str(room / "docker.pid"),
        "bridge": bridge,
        "default-address-pools": [{"base": str(pool), "size": 24}],
        "cgroup-parent": f"/{room.parent.name}",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "log-level": "warn",
        "shutdown-timeout": 2,
    }


def listening(local: str, tls: str, shown: papers.Papers) -> dict[str, object]:
    files = {"tlscacert": shown.ca, "tlscert": shown.cert, "tlskey": shown.key}
    return {"hosts": [local, tls], "tlsverify": True} | {name: str(file) for name, file in files.items()}


def tools(root: install.Root, room: Path) -> dict[str, str]:
    """The daemon's environment: names that Debian's alternatives would give are links in the room."""
    links = room / "bin"
    links.mkdir()
    for name in ("iptables", "ip6tables"):
        (links / name).symlink_to(root.program(f"{name}-nft"))
    plugins = list(root.path.glob("usr/lib/*/xtables"))
    extra = {"XTABLES_LIBDIR": str(plugins[0])} if plugins else {}
    return root.environment | {"PATH": f"{links}:{root.environment['PATH']}", "TMPDIR": str(room)} | extra


def client(at: house.House, root: install.Root) -> dict[str, str]:
    """The machine's own docker client where there is one, else ours; never a context of the user."""
    paths = f"{at.environment.get('PATH', '')}:{root.path / 'usr/bin'}"
    kept = {
        key: value for key, value in at.environment.items() if key not in {"DOCKER_HOST", "DOCKER_CONTEXT"}
    }
    return kept | {"PATH": paths}


def reserve(stack: AsyncExitStack) -> IPv4Network:
    """A /16 that no route of this machine touches and no other run has: each holds the abstract socket of its number."""
    taken = routes(Path("/proc/net/route").read_text())
    for number in random.sample(range(100, 250), 150):
        network = IPv4Network(f"10.{number}.0.0/16")
        if any(network.overlaps(other) for other in taken):
            continue
        name = socket.socket(socket.AF_UNIX)
        stack.callback(name.close)
        with contextlib.suppress(OSError):
            name.bind(f"\0concierge-peers-{number}")
            return network
    raise process.Unavailable("all networks from 10.100.0.0 to 10.249.0.0 are in use")


def routes(table: str) -> list[IPv4Network]:
    """The destinations in the text of ``/proc/net/route``, without the default route."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        address, mask = (IPv4Address(int.from_bytes(bytes.fromhex(words[at]), "little")) for at in (1, 7))
        found.append(IPv4Network(f"{address}/{mask}", strict=False))
    return [network for network in found if network.prefixlen]


def gateway(network: IPv4Network) -> IPv4Address:
    """The host's address on the default bridge: the last /24, out of the way of Docker's pools."""
    return IPv4Address(int(network.broadcast_address) - 254)


def storage(at: house.House, room: Path, stack: AsyncExitStack) -> Path:
    """The cached data-root if no other run has it, so that images are already there; else one in the room."""
    data = at.cache / "docker-data"
    held = house.lock(at.cache / "docker-data.lock")
    if held is None:
        return room / "data"
    stack.callback(held.close)
    for stale in ("swarm", "network"):
        shutil.rmtree(data / stale, ignore_errors=True)
    return data


async def alive(engine: Engine) -> bool:
    try:
        await engine.docker("version", "--format", "{{.Server.Version}}", seconds=5)
    except process.Unavailable:
        return False
    return True


async def empty(engine: Engine) -> None:
    """Remove every container, volume and nameless image: the engine is ours alone."""
    if ids := (await engine.docker("ps", "--all", "--quiet")).split():
        await engine.docker("rm", "--force", "--volumes", *ids)
    if names := (await engine.docker("volume", "ls", "--quiet")).split():
        await engine.docker("volume", "rm", "--force", *names)
    await engine.docker("image", "prune", "--force")


async def quietly_empty(engine: Engine) -> None:
    """Containers first: the swarm would wait ten seconds for one that does not heed SIGTERM."""
    for part in (empty(engine), engine.docker("swarm", "leave", "--force", seconds=20), empty(engine)):
        with contextlib.suppress(process.Unavailable):
            await part
