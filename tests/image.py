"""An image with a real courier and the demo's shop, made once an engine from an image that has Python, without a network."""

import functools
import os
import subprocess
import tempfile
from pathlib import Path

from concierge_cli.demo import image


@functools.cache
def courier_image(docker_host: str, base: str) -> str:
    """Return the tag of an image in which `python3 -m concierge_courier` and `/shop.py` run.

    Args:
        docker_host: Of the engine that shall have it, e.g. PEER_DOCKER_HOST.
        base: An image with this Python's version, e.g. PEER_DOCKER_IMAGE.
    """
    with tempfile.TemporaryDirectory() as folder:
        image.context(Path(folder), base)
        tag = f"concierge-courier-test:{image.digest(Path(folder))}"
        if not _docker(docker_host, "image", "ls", "--quiet", tag):
            _docker(docker_host, "build", "--quiet", "--tag", tag, folder)
        return tag


def _docker(host: str, *words: str) -> str:
    command = ["docker", "--host", host, *words]
    classic = os.environ | {"DOCKER_BUILDKIT": "0"}  # BuildKit would ask a registry for the base
    ended = subprocess.run(command, capture_output=True, text=True, env=classic, check=False, timeout=120)
    assert ended.returncode == 0, f"docker {words[0]}: {ended.stderr}"
    return ended.stdout.strip()
