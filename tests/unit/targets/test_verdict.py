"""What an engine thinks of our certificate, heard from a real TLS server."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from concierge_proto import settings
from concierge_scheduler.targets import docker, failures, verdict
from tests import papers

BROKEN = failures.Answer(1, "", 'error during connect: Get "https://h/v1/info": write tcp: broken pipe')


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> papers.Papers:
    return papers.make(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> papers.Papers:
    return papers.make(tmp_path_factory.mktemp("others"))


@contextlib.contextmanager
def serving(context: ssl.SSLContext) -> Iterator[str]:
    """Hang up on whoever is welcome. Not asyncio's: it closes a failed handshake without the alert."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, context))
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):  # shut
        while True:
            caller, _ = listening.accept()
            with caller, contextlib.suppress(OSError), context.wrap_socket(caller, server_side=True):
                pass


def target(host: str, ca: papers.Papers, shown: papers.Papers) -> settings.Target:
    return settings.Target(
        kind="compose",
        project="p",
        host=host,
        tls_ca_file=str(ca.ca),
        tls_cert_file=str(shown.cert),
        tls_key_file=str(shown.key),
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_refused_certificate(ours: papers.Papers, others: papers.Papers, version: ssl.TLSVersion) -> None:
    context = ours.server(asks=True)
    context.minimum_version = context.maximum_version = version
    with serving(context) as host:
        found = verdict.refusal(target(host, ours, others))
    assert found == "remote error: tls: unknown ca"


def test_one_that_is_welcome_hears_nothing(ours: papers.Papers) -> None:
    with serving(ours.server(asks=True)) as host:
        assert verdict.refusal(target(host, ours, ours)) == ""


def test_what_docker_says_itself_is_not_said_again(ours: papers.Papers, others: papers.Papers) -> None:
    with serving(ours.server(asks=True)) as host:
        assert verdict.refusal(target(host, others, ours)) == ""
    assert verdict.refusal(target(host, ours, ours)) == ""  # nobody listens


@pytest.mark.parametrize("host", ["unix:///run/docker.sock", "ssh://host", "tcp://host:port"])
def test_what_has_no_tls_is_not_asked(ours: papers.Papers, host: str) -> None:
    assert verdict.refusal(target(host, ours, ours)) == ""


def test_the_reason_follows_dockers_words(ours: papers.Papers, others: papers.Papers) -> None:
    with serving(ours.server(asks=True)) as host:
        client = docker.Client("far", target(host, ours, others), {})
        answer = client._explained(BROKEN)
    assert "must know the CA of the target's `tls_cert_file`" in str(failures.read("far", answer))


def test_other_failures_are_left_alone(ours: papers.Papers) -> None:
    client = docker.Client("far", target("tcp://127.0.0.1:1", ours, ours), {})
    answer = failures.Answer(1, "", "no such image")
    assert client._explained(answer) is answer
