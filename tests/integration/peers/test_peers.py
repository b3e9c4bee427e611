"""Each peer answers as the real thing does, seen from outside."""

import http.server
import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Peer = Callable[[str], str]


def until(probe: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer of ``probe``, asked ten times a second."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"no answer but {answer!r} within {seconds} s"
        time.sleep(0.1)
    return answer


def http_call(
    url: str, body: bytes | None = None, content: str = "application/json", method: str | None = None
) -> str:
    request = urllib.request.Request(url, body, {"Content-Type": content}, method=method)  # noqa: S310 - a peer
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        text: str = response.read().decode()
    return text


# ---------------------------------------------------------------------------- docker


class Docker:
    def __init__(self, host: str) -> None:
        self.host = host

    def __call__(self, *words: str) -> str:
        command = ("docker", "--host", self.host, *words)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def docker(peer: Peer) -> Docker:
    return Docker(peer("PEER_DOCKER_HOST"))


@pytest.fixture
def name() -> str:
    return f"peers-{uuid.uuid4().hex[:8]}"


@contextmanager
def page(address: str) -> Iterator[str]:
    """A web server of the host that a container should reach."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"reached\n")

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer((address, 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}/"
        server.shutdown()


def test_compose_scales_and_its_containers_reach_the_host(
    docker: Docker, peer: Peer, name: str, tmp_path: Path
) -> None:
    service = {"image": peer("PEER_DOCKER_TINY"), "command": ["sleep", "600"]}
    file = tmp_path / "compose.yaml"
    file.write_text(json.dumps({"services": {"web": service}}))
    compose = ("compose", "--project-name", name, "--file", str(file))
    try:
        docker(*compose, "up", "--detach", "--quiet-pull", "--scale", "web=2")
        assert len(docker(*compose, "ps", "--quiet").split()) == 2
        with page(peer("PEER_DOCKER_GATEWAY")) as url:
            assert docker(*compose, "exec", "-T", "web", "wget", "-qO-", url) == "reached"
    finally:
        docker(*compose, "down", "--timeout", "0", "--volumes")


def test_limits_and_python_in_the_image(docker: Docker, peer: Peer) -> None:
    script = "import asyncio, ssl, zlib, sys; print(sys.version_info[:2])"
    limits = ("--memory", "128m", "--cpus", "0.5")
    assert docker("run", "--rm", *limits, peer("PEER_DOCKER_IMAGE"), "python3", "-c", script) == "(3, 11)"


def test_swarm_runs_replicas_that_reach_the_host(docker: Docker, peer: Peer, name: str) -> None:
    assert peer("PEER_SWARM") == "1"
    with page(peer("PEER_DOCKER_GATEWAY")) as url:
        docker(
            *(
                "service",
                "create",
                "--quiet",
                "--detach",
                "--no-resolve-image",
                "--name",
                name,
                "--replicas",
                "2",
            ),
            *(peer("PEER_DOCKER_TINY"), "sh", "-c", f"wget -qO- {url} && exec sleep 600"),
        )
        try:
            listing = ("service", "ls", "--filter", f"name={name}", "--format", "{{.Replicas}}")
            until(lambda: docker(*listing) == "2/2")
            until(lambda: docker("service", "logs", "--raw", name).count("reached") == 2)
        finally:
            docker("service", "rm", name)


# ---------------------------------------------------------------------------- zabbix


class Zabbix:
    """The API and the sender of one version."""

    def __init__(self, peer: Peer, prefix: str) -> None:
        self.url = f"{peer(f'{prefix}_API')}/api_jsonrpc.php"
        self.trapper = peer(f"{prefix}_TRAPPER")
        self.sender = peer(f"{prefix}_SENDER")
        self.token: str | None = None
        login = {"username": peer(f"{prefix}_USER"), "password": peer(f"{prefix}_PASSWORD")}
        self.token = self.call("user.login", login)

    def call(self, method: str, parameters: object) -> Any:
        # Both versions still take the token in the body.
        auth = {"auth": self.token} if self.token else {}
        body = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1, **auth}
        answer = json.loads(http_call(self.url, json.dumps(body).encode(), "application/json-rpc"))
        assert "result" in answer, answer
        return answer["result"]

    def send(self, host: str, key: str, value: str) -> bool:
        server, port = self.trapper.split(":")
        words = ("-z", server, "-p", port, "-s", host, "-k", key, "-o", value)
        return (
            "failed: 0"
            in subprocess.run((self.sender, *words), capture_output=True, text=True, check=False).stdout
        )


@pytest.fixture(params=["PEER_ZABBIX", "PEER_ZABBIX60"])
def zabbix(peer: Peer, request: pytest.FixtureRequest) -> Zabbix:
    return Zabbix(peer, request.param)


def test_zabbix_stores_a_sent_value(zabbix: Zabbix, name: str) -> None:
    group = zabbix.call("hostgroup.create", {"name": name})["groupids"][0]
    host = zabbix.call("host.create", {"host": name, "groups": [{"groupid": group}]})["hostids"][0]
    item = {"hostid": host, "name": "load", "key_": "load", "type": 2, "value_type": 0}
    itemid = zabbix.call("item.create", item)["itemids"][0]
    try:
        until(lambda: zabbix.send(name, "load", "4.5"))
        stored = until(lambda: zabbix.call("history.get", {"itemids": itemid, "history": 0}))
        assert float(stored[0]["value"]) == 4.5
    finally:
        zabbix.call("host.delete", [host])
        zabbix.call("hostgroup.delete", [group])


def test_zabbix_runs_a_media_type_script_outside(peer: Peer, tmp_path: Path) -> None:
    script = tmp_path / "script.js"
    script.write_text("return hmac('sha256', 'key', value);")
    done = subprocess.run(
        (peer("PEER_ZABBIX_JS"), "-s", script, "-p", "data"), capture_output=True, text=True, check=False
    )
    assert "5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0" in done.stdout, done


# ---------------------------------------------------------------------------- prometheus


def test_a_pushed_value_is_found_and_its_alert_arrives(peer: Peer, name: str) -> None:
    prometheus, pushgateway, alertmanager = (
        peer(f"PEER_{each}_URL") for each in ("PROMETHEUS", "PUSHGATEWAY", "ALERTMANAGER")
    )
    metric = name.replace("-", "_")
    rule = {"alert": name, "expr": f"{metric} > 5", "labels": {"severity": "page"}}
    file = Path(peer("PEER_PROMETHEUS_RULES")) / f"{name}.yml"
    group = f"{pushgateway}/metrics/job/web/instance/{name}"
    query = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': metric})}"
    try:
        file.write_text(json.dumps({"groups": [{"name": name, "rules": [rule]}]}))
        http_call(f"{prometheus}/-/reload", b"")
        http_call(group, f"{metric} 9\n".encode(), "text/plain")
        found = until(lambda: json.loads(http_call(query))["data"]["result"])
        assert found[0]["metric"] | {"__name__": metric, "job": "web", "instance": name} == found[0]["metric"]
        alerts = f"{alertmanager}/api/v2/alerts?{urllib.parse.urlencode({'filter': f'alertname={name}'})}"
        assert until(lambda: json.loads(http_call(alerts)))[0]["labels"]["severity"] == "page"
    finally:
        file.unlink(missing_ok=True)
        http_call(group, method="DELETE")
        http_call(f"{prometheus}/-/reload", b"")


@pytest.mark.xdist_group("prometheus")  # others write that file too
def test_alertmanager_reads_its_configuration_again(peer: Peer, name: str) -> None:
    file = Path(peer("PEER_ALERTMANAGER_CONFIG"))
    before = file.read_text()
    try:
        file.write_text(json.dumps({"route": {"receiver": name}, "receivers": [{"name": name}]}))
        http_call(f"{peer('PEER_ALERTMANAGER_URL')}/-/reload", b"")
        assert name in http_call(f"{peer('PEER_ALERTMANAGER_URL')}/api/v2/status")
    finally:
        file.write_text(before)
        http_call(f"{peer('PEER_ALERTMANAGER_URL')}/-/reload", b"")
