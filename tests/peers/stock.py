"""What is in the cache: filled by ``install`` ahead of a run, told by ``check``."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from . import docker, engine, house, images, install, process, zabbix

Stocking = Callable[[house.House], Coroutine[None, None, object]]


@dataclass(frozen=True)
class Line:
    """One row of ``check``: ``state`` is ready, absent (``install`` brings it) or impossible."""

    name: str
    state: str
    detail: str


async def stock_docker(at: house.House) -> None:
    """The engine, and an sshd that some tests start before it."""
    parts = (install.provide(at, install.DOCKER), docker.plugin(at), install.provide(at, install.SSH))
    await process.together(*parts)


async def stock_zabbix(at: house.House) -> None:
    """Zabbix 7.0, with a proxy and a newer Python that tests start themselves."""
    more = (install.provide(at, bundle) for bundle in (install.PROXY, install.PYTHON))
    await process.together(zabbix.template(at, install.ZABBIX), *more)


STOCK: dict[str, Stocking] = {
    "docker": stock_docker,
    "image": images.archives,
    "zabbix": stock_zabbix,
    "zabbix60": lambda at: zabbix.template(at, install.ZABBIX60),
    "prometheus": lambda at: install.provide(at, install.PROMETHEUS),
}


async def fill(at: house.House, names: list[str]) -> int:
    """Bring what is named; 0, or 69 if one of them cannot be had."""
    reasons = await process.together(*(docker.failure(STOCK[name](at)) for name in names))
    missing = {name: why for name, why in zip(names, reasons, strict=True) if why}
    for name, why in missing.items():
        process.say(f"{name} is missing: {why}")
    return process.UNAVAILABLE if missing else 0


async def check(at: house.House) -> list[Line]:
    """The state of everything, without changing it."""
    found = await engine.existing(at)
    bundles = (install.DOCKER, install.ZABBIX, install.ZABBIX60, install.PROMETHEUS)
    complete = await process.together(*(install.complete(at, bundle) for bundle in bundles))
    lines = {
        bundle.name: Line(bundle.name, "ready", "unpacked in the cache") if there else absent(at, bundle.name)
        for bundle, there in zip(bundles, complete, strict=True)
    }
    if found:
        lines["docker"] = Line("docker", "ready", f"an engine is running at {found.host}")
    why = await docker.failure(process.capture("docker", "compose", "version", env=at.environment))
    lines["compose"] = absent(at, "compose") if why else Line("compose", "ready", "the docker client has it")
    made = all((at.cache / "images" / f"{name}.tar").exists() for name in ("tiny", "python"))
    lines["image"] = Line("image", "ready", "made, in the cache") if made else absent(at, "image")
    return list(lines.values())


def absent(at: house.House, name: str) -> Line:
    if at.obstacle:
        return Line(name, "impossible", at.obstacle)
    return Line(name, "absent", "run and install bring it")
