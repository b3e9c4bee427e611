"""The demo's stage: a configuration for each target and each monitoring system, with one line's difference."""

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from concierge_cli.demo import shop
from concierge_proto import errors, settings

SERVICE = "web"
METRIC = "gauge[load,value]"
HIGH, RECOVERED = 0.8, 0.7
LOW, BUSY = 0.3, 0.35
BACKENDS = ("embedded", "zabbix", "prometheus")
TARGETS = ("process", "compose", "swarm")


def build(folder: Path, target: str, backend: str, host: str, balancer: str) -> settings.Settings:
    """Return the settings of a demo that lives in `folder`.

    Args:
        folder: Private; secrets are written into it.
        target: One of TARGETS.
        backend: One of BACKENDS.
        host: Address of this machine that instances can reach.
        balancer: URL of the customers.
    """
    tree: dict[str, Any] = {
        "nats": {"url": os.environ.get("CONCIERGE_NATS__URL", ""), "listen": host, "port": free_port(host)},
        "monitoring": {"backends": [backend]},
        "gateway": {"listen": f"127.0.0.1:{free_port('127.0.0.1')}", "sources": {}},
        "targets": {"demo": {"kind": target}},
        "services": {SERVICE: _service(target, balancer)},
    }
    if backend == "zabbix":
        _zabbix(tree, folder, os.environ)
    if backend == "prometheus":
        _prometheus(tree, folder, os.environ)
    return settings.parse(tree, "demo")


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _service(target: str, balancer: str) -> dict[str, Any]:
    service: dict[str, Any] = {
        "target": "demo",
        "min": 1,
        "max": 3,
        "cooldown_out": "1s",
        "cooldown_in": "3s",
        "fresh": "15s",
        "settle": "500ms",
        "triggers": [
            _trigger("High load", "scale_out 1", above=HIGH, recovers=RECOVERED),
            _trigger("Low load", "scale_in 1", below=LOW, recovers=BUSY, **{"for": "2s"}),
        ],
    }
    if target == "process":
        service["process"] = {
            "command": [
                sys.executable,
                shop.__file__,
                "--port",
                "{port}",
                "--name",
                "{instance}",
                "--balancer",
                balancer,
            ],
            "sources": ["dropwizard=http://127.0.0.1:{port}/metrics"],
            "interval": "500ms",
        }
    return service


def _trigger(name: str, action: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "metric": METRIC, "action": action, "repeat_every": "60s", **rest}


def _zabbix(tree: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> None:
    tree["monitoring"]["zabbix"] = {
        "servers": [_peer(environ, "PEER_ZABBIX_TRAPPER", "zabbix")],
        "api_url": _peer(environ, "PEER_ZABBIX_API", "zabbix"),
    }
    tree["gateway"]["sources"]["zabbix"] = {"kind": "zabbix", "secret_file": secret_file(folder / "webhook")}


def _prometheus(tree: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> None:
    tree["monitoring"]["prometheus"] = {
        "pushgateway_url": _peer(environ, "PEER_PUSHGATEWAY_URL", "prometheus"),
        "url": _peer(environ, "PEER_PROMETHEUS_URL", "prometheus"),
        "alertmanager_url": _peer(environ, "PEER_ALERTMANAGER_URL", "prometheus"),
    }
    tree["gateway"]["sources"]["alertmanager"] = {
        "kind": "alertmanager",
        "token_file": secret_file(folder / "token"),
    }


def secret_file(path: Path) -> str:
    """Write a new secret that only we can read; return its path."""
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(32), "utf-8")
    return str(path)


def _peer(environ: Mapping[str, str], variable: str, backend: str) -> str:
    found = environ.get(variable)
    if not found:
        raise errors.Permanent(
            f"no {backend} server: {variable} is not set; `make demo BACKEND={backend}` starts one where it can "
            "(Debian, as root), elsewhere start your own and set it",
        )
    return found
