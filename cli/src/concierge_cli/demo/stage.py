"""Setting the stage: the monitoring system provisioned, the first container started, all of it taken away again."""

import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgspec

from concierge_backends.prometheus import rules
from concierge_backends.zabbix import provision as zabbix
from concierge_cli.demo import containers, scene
from concierge_cli.zabbix import options
from concierge_proto import settings


async def host(target: str) -> str:
    """Return the address of this machine that instances can reach."""
    return "127.0.0.1" if target == "process" else await containers.gateway()


async def provision(config: settings.Settings, backend: str) -> Callable[[], Awaitable[None]]:
    """Set the monitoring system up for the scene; returns what takes it away again."""
    if backend == "zabbix":
        await _zabbix(config)
    if backend == "prometheus":
        return await _prometheus(config)
    return _nothing


async def _nothing() -> None:
    """The embedded one needs nothing, and a Zabbix of our own is thrown away whole."""


async def _zabbix(config: settings.Settings) -> None:
    source = config.gateway.sources["zabbix"]
    await zabbix.apply(
        config,
        url=config.monitoring.zabbix.api_url,
        user=os.environ.get("PEER_ZABBIX_USER", "Admin"),
        password=os.environ.get("PEER_ZABBIX_PASSWORD", "zabbix"),
        token="",
        gateway_url=options.gateway_url(config),
        source="zabbix",
        secret=settings.read_secret(source.secret_file, "webhook")[0],
        dry_run=False,
    )


async def _prometheus(config: settings.Settings) -> Callable[[], Awaitable[None]]:
    place = config.monitoring.prometheus
    alerts = Path(os.environ["PEER_PROMETHEUS_RULES"]) / "concierge-demo.yml"
    receiver = Path(os.environ["PEER_ALERTMANAGER_CONFIG"])
    before = receiver.read_text("utf-8")
    token = config.gateway.sources["alertmanager"].token_file
    alerts.write_text(rules.alerts(config), "utf-8")
    receiver.write_text(
        rules.receiver(f"{options.gateway_url(config)}/webhooks/alertmanager", token), "utf-8"
    )
    await _reload(place)

    async def undo() -> None:
        alerts.unlink(missing_ok=True)
        receiver.write_text(before, "utf-8")
        with contextlib.suppress(httpx.HTTPError):
            await _reload(place)

    return undo


async def _reload(place: settings.Prometheus) -> None:
    async with httpx.AsyncClient(timeout=10) as http:
        for url in (place.url, place.alertmanager_url):
            (await http.post(f"{url.rstrip('/')}/-/reload")).raise_for_status()


async def place(
    stack: contextlib.AsyncExitStack,
    config: settings.Settings,
    name: str,
    folder: Path,
    balancer: str,
) -> settings.Settings:
    """Start the first instance where the target does not do that itself; return the settings that name it."""
    target = config.targets["demo"]
    if target.kind == "process":
        return config
    nats = config.nats.url or f"nats://{config.nats.listen}:{config.nats.port}"
    found = await stack.enter_async_context(containers.placed(name, target, folder, nats, balancer))
    service = msgspec.structs.replace(config.services[scene.SERVICE], name=found.service)
    return msgspec.structs.replace(
        config,
        targets={"demo": found.target},
        services={scene.SERVICE: service},
    )
