"""A swarm of one node on a loopback address of its own; a swarm that is not ours is only looked at."""

from ipaddress import IPv4Network
from pathlib import Path

from . import engine, process

IPVS = Path("/proc/net/ip_vs")


def variables() -> dict[str, str]:
    """Without IPVS in the kernel there is no virtual address and no published port, only ``tasks.SERVICE``."""
    return {"PEER_SWARM": "1"} | ({"PEER_SWARM_INGRESS": "1"} if IPVS.exists() else {})


async def start(docker: engine.Engine) -> None:
    """Make the engine a swarm manager, or raise ``Unavailable`` with the reason."""
    if docker.network is None:
        await look(docker)
        return
    octet = docker.network.network_address.packed[1]
    address = f"127.{octet}.0.1"
    gateway, overlays = pools(docker.network)
    await docker.docker(
        *(
            "network",
            "create",
            "--subnet",
            str(gateway),
            "--opt",
            f"com.docker.network.bridge.name=cpg{octet}",
        ),
        *("--opt", "com.docker.network.bridge.enable_icc=false", "docker_gwbridge"),
    )
    await docker.docker(
        *("swarm", "init", "--advertise-addr", address, "--listen-addr", f"{address}:{process.free_port()}"),
        *("--data-path-addr", address, "--data-path-port", str(4800 + octet)),
        *("--default-addr-pool", str(overlays), "--default-addr-pool-mask-length", "24"),
    )


async def look(docker: engine.Engine) -> None:
    state = await docker.docker("info", "--format", "{{.Swarm.LocalNodeState}}/{{.Swarm.ControlAvailable}}")
    if state != "active/true":
        raise process.Unavailable("the engine was here before us and is no swarm manager (docker swarm init)")


def pools(network: IPv4Network) -> tuple[IPv4Network, IPv4Network]:
    """The subnets of the gateway bridge and of overlay networks, beside the first quarter that compose uses."""
    _, overlays, gateways, _ = network.subnets(prefixlen_diff=2)
    return next(gateways.subnets(new_prefix=24)), overlays
