"""What Docker really said (engine 20.10, client 28, compose 2.26), and what is made of it."""

import pytest

from concierge_proto import errors
from concierge_scheduler.targets import failures

TEMPORARY = [
    "Cannot connect to the Docker daemon at unix:///nope. Is the docker daemon running?",
    "Error response from daemon: rpc error: code = Unknown desc = update out of sequence",
    'Error response from daemon: Conflict. The container name "/shop-web-2" is already in use by container "26d8"',
    "error during connect: Get http://engine:2375/v1.41/info: dial tcp 10.0.0.9:2375: i/o timeout",
    "something that nobody has ever seen",
    "",
]

PERMANENT = [
    ("no such service: nosuch", "what Docker calls it"),
    ("Error response from daemon: service nosuch not found", "what Docker calls it"),
    (
        (
            'WARNING: The "fixed" service is using the custom container name "fixed-one". Docker requires each '
            "container to have a unique name. Remove the custom name to scale the service.\n"
        ),
        "container_name",
    ),
    ("Bind for 0.0.0.0:29871 failed: port is already allocated", "a range of ports"),
    ("Error response from daemon: no such image: nothing:1: No such image: nothing:1", "pull the image"),
    (
        (
            'Error response from daemon: This node is not a swarm manager. Use "docker swarm init" or '
            '"docker swarm join" to connect this node to swarm and try again.'
        ),
        "at a swarm manager",
    ),
    ("replicas can only be used with replicated mode", "global service"),
    (
        'unable to resolve docker endpoint: context "nope": context not found: open /meta.json: no such file',
        "context ls",
    ),
    (
        "error during connect: Get https://far:2376/info: remote error: tls: unknown certificate",
        "tls_cert_file",
    ),
    ("error during connect: broken pipe\nremote error: tls: certificate expired", "renew the target's"),
    (
        "error during connect: Get https://far:2376/info: x509: certificate has expired or is not",
        "tls_ca_file",
    ),
    ("stderr=Host key verification failed.", "ssh_known_hosts_file"),
    ("stderr=root@far: Permission denied (publickey).", "authorized_keys"),
    ("exit status 127, stderr=bash: line 1: docker: command not found", "on that machine too"),
    ("open /tmp/shop/nope.yaml: no such file or directory", "compose config"),
    ("yaml: line 1: did not find expected node content", "compose config"),
    ("validating /tmp/bad.yaml: services.web Additional property imag is not allowed", "compose config"),
    ("no configuration file provided: not found", "compose config"),
    ("docker: 'compose' is not a docker command.", "compose plugin"),
    (
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
            "Get /v1.41/info: dial unix /var/run/docker.sock: connect: permission denied"
        ),
        "group of Docker's socket",
    ),
]


@pytest.mark.parametrize("said", TEMPORARY)
def test_worth_another_try(said: str) -> None:
    error = failures.read("target shop", failures.Answer(1, "", said))
    assert isinstance(error, errors.Temporary)
    assert error.delay > 0
    assert str(error).startswith("target shop: ")


@pytest.mark.parametrize(("said", "remedy"), PERMANENT)
def test_never_worth_another_try(said: str, remedy: str) -> None:
    error = failures.read("target shop", failures.Answer(1, "", said))
    assert isinstance(error, errors.Permanent)
    assert remedy in str(error)


@pytest.mark.parametrize("code", [124, 137, -9])
def test_a_child_that_was_ended_is_a_timeout(code: int) -> None:
    error = failures.read("target shop", failures.Answer(code, "", ""))
    assert isinstance(error, errors.Temporary)
    assert "in time" in str(error)


@pytest.mark.parametrize("code", [126, 127])
def test_a_missing_client_names_the_remedy(code: int) -> None:
    error = failures.read("target shop", failures.Answer(code, "", "timeout: failed to run command 'docker'"))
    assert isinstance(error, errors.Permanent)
    assert "on its PATH" in str(error)


def test_progress_and_log_lines_are_not_the_reason() -> None:
    said = (
        'time="2026-01-01T00:00:00Z" level=warning msg="`version` is obsolete"\n'
        " Container shop-web-2  Creating\n Container shop-web-2  Created\n"
        "Error response from daemon: disk is full\n"
    )
    assert failures.plain(said) == "Error response from daemon: disk is full"


def test_a_long_complaint_is_cut() -> None:
    assert len(failures.plain("x" * 10_000)) == failures.LONGEST


def test_services_that_are_not_there_are_no_failure_of_a_listing() -> None:
    missing = "Error: no such service: a\nError: no such service: b\n"
    assert failures.absent(failures.Answer(1, "{}", missing))
    assert not failures.absent(failures.Answer(1, "", missing + "Cannot connect to the Docker daemon"))
    assert not failures.absent(failures.Answer(1, "", ""))
