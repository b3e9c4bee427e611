"""The peer ``prometheus``: Prometheus, Pushgateway and Alertmanager, wired together, on private ports."""

import asyncio
import json
import signal
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from . import house, install, process

SCRAPES = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}/*.yml"]
alerting:
  alertmanagers: [{{api_version: v2, static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]
scrape_configs:
- job_name: pushgateway
  honor_labels: true
  static_configs: [{{targets: ["127.0.0.1:{pushgateway}"]}}]
"""
SILENT = """\
route: {receiver: nobody, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: nobody}]
"""

# Debian's Alertmanager and web pages are looked for below /usr/share: there they are seen, by these processes alone.
OVERLAID = (
    *process.NAMESPACE,
    *(
        "sh",
        "-c",
        'mount -t overlay overlay -o "lowerdir=$1/usr/share:/usr/share" /usr/share && shift && exec "$@"',
        "sh",
    ),
)


async def start(at: house.House, room: Path, stack: AsyncExitStack) -> dict[str, str]:
    if at.obstacle:
        raise process.Unavailable(at.obstacle)
    root = await install.provide(at, install.PROMETHEUS)
    ports = {name: process.free_port() for name in ("prometheus", "pushgateway", "alertmanager")}
    rules = configure(room, ports)
    commands = {
        "prometheus": (
            *(f"--config.file={room}/prometheus.yml", f"--storage.tsdb.path={room}/data"),
            # An alert that fires while a reload looks for Alertmanager again is sent a second later, not a minute.
            "--rules.alert.resend-delay=1s",
            *("--web.enable-lifecycle", "--web.enable-admin-api", "--web.enable-remote-write-receiver"),
        ),
        "pushgateway": ("--web.enable-admin-api", "--web.enable-lifecycle"),
        "alertmanager": (
            *(f"--config.file={room}/alertmanager.yml", f"--storage.path={room}/alerts"),
            "--cluster.listen-address=",
        ),
    }
    daemons = await process.together(
        *(serve(root, room, stack, name, ports[name], words) for name, words in commands.items())
    )
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    await process.until(lambda: asyncio.to_thread(wired, urls["prometheus"]), daemons[0])
    return {
        "version": await asyncio.to_thread(version, urls["prometheus"]),
        **{f"PEER_{name.upper()}_URL": url for name, url in urls.items()},
        "PEER_PROMETHEUS_RULES": str(rules),
        "PEER_ALERTMANAGER_CONFIG": str(room / "alertmanager.yml"),
    }


def configure(room: Path, ports: dict[str, int]) -> Path:
    """Write both configurations; the folder of rule files, empty."""
    rules = room / "rules"
    rules.mkdir()
    (room / "prometheus.yml").write_text(SCRAPES.format(rules=rules, **ports))
    (room / "alertmanager.yml").write_text(SILENT)
    return rules


async def serve(
    root: install.Root, room: Path, stack: AsyncExitStack, name: str, port: int, words: tuple[str, ...]
) -> process.Child:
    program = root.program(name if name == "prometheus" else f"prometheus-{name}")
    daemon = await process.start(
        stack,
        (*OVERLAID, root.path, program, f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *words),
        room / f"{name}.log",
        env=root.environment,
        ending=signal.SIGKILL,
    )
    await process.until(lambda: asyncio.to_thread(healthy, port), daemon)
    return daemon


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
            return True
    except OSError:
        return False


def wired(url: str) -> bool:
    """Whether the first scrape is done and Alertmanager is known: Prometheus looks for both only every 5 s."""
    found = get(f"{url}/api/v1/query?query=up")["data"]["result"]
    known = get(f"{url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    return bool(found and known)


def version(url: str) -> str:
    return str(get(f"{url}/api/v1/status/buildinfo")["data"]["version"])


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own
        answer: dict[str, Any] = json.load(response)
    return answer
