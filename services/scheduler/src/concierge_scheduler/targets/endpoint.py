"""How an engine is reached: a local socket, TCP with TLS, SSH, or a docker context."""

import os
import shlex
import shutil
import tempfile
import weakref
from pathlib import Path

import python_on_whales
from python_on_whales import client_config

from concierge_proto import settings


def client(target: settings.Target) -> client_config.ClientConfig:
    """Return the docker client's own words for a target."""
    home = Path(target.project_directory)
    secured = target.tls_ca_file or target.tls_cert_file or target.tls_key_file
    return python_on_whales.DockerClient(
        config=target.docker_config or None,
        host=target.host or None,
        context=target.context or None,
        tlsverify=True if secured else None,
        tlscacert=target.tls_ca_file or None,
        tlscert=target.tls_cert_file or None,
        tlskey=target.tls_key_file or None,
        compose_files=[home / name for name in target.files],
        compose_env_files=[home / name for name in target.env_files],
        compose_profiles=list(target.profiles),
        compose_project_name=target.project or None,
        compose_project_directory=target.project_directory or None,
    ).client_config


class Shell:
    """The `ssh` that docker finds. It can be told nothing but where to go, so ours knows the key and the hosts."""

    def __init__(self, target: settings.Target) -> None:
        self.words: tuple[str, ...] = ()
        """What `env` is told, so that docker finds it."""
        ssh = shutil.which("ssh")
        if ssh and (target.context or target.host.startswith("ssh://")):
            folder = Path(tempfile.mkdtemp(prefix="concierge-ssh-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            _write(folder / "ssh", [ssh, *_options(target)])
            self.words = (f"PATH={folder}:{os.environ.get('PATH', os.defpath)}",)


def _write(file: Path, command: list[str]) -> None:
    file.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', "utf-8")
    file.chmod(0o700)


def _options(target: settings.Target) -> list[str]:
    """Return ssh's options: it never asks, never trusts a stranger, and notices a machine that has gone."""
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ServerAliveInterval=10"]
    if target.ssh_known_hosts_file:
        options.append(f'UserKnownHostsFile="{target.ssh_known_hosts_file}"')
    if target.ssh_key_file:
        options += [f'IdentityFile="{target.ssh_key_file}"', "IdentitiesOnly=yes"]
    return [word for option in options for word in ("-o", option)]
