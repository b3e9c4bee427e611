"""TLS by certificate with real servers."""

import subprocess
from pathlib import Path

import pytest

from concierge_backends.zabbix import backend
from concierge_proto import errors
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Until

pytestmark = pytest.mark.xdist_group("tls")
"""They meet nobody on their servers."""


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A folder with a CA, and certificates of it for the server and for us."""
    certified(tmp_path, "ca")
    for name in ("server", "forwarder"):
        certified(tmp_path, name, "-CA", "ca.pem", "-CAkey", "ca.key")
    return tmp_path


def certified(folder: Path, name: str, *by: str) -> None:
    words = ("-newkey", "rsa:2048", "-nodes", "-days", "2")  # Zabbix built with GnuTLS takes no other kind
    kind = f"basicConstraints=critical,CA:{'FALSE' if by else 'TRUE'}"
    out = ("-subj", f"/CN={name}", "-addext", kind, "-keyout", f"{name}.key", "-out", f"{name}.pem")
    command = ("openssl", "req", "-x509", *words, *out, *by)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("version", ["zabbix", "zabbix60"])
async def test_a_certificate_opens_the_way_to_hosts_that_want_one(
    version: str, authority: Path, until: Until
) -> None:
    at = {name: str(authority / name) for name in ("ca.pem", "forwarder.pem", "forwarder.key", "ca.key")}
    served = {
        "TLSCAFile": at["ca.pem"],
        "TLSCertFile": authority / "server.pem",
        "TLSKeyFile": authority / "server.key",
    }
    async with own.running(version, served) as mine:
        token = authority / "token"
        token.write_text(await own.token(mine.door))
        hostid = await own.host(mine.door, "secret", tls_accept=4)
        await own.item(mine.door, hostid, "good")
        asks = {"api_url": mine.server.address, "api_token_file": str(token)}
        ours = {
            "ca_file": at["ca.pem"],
            "cert_file": at["forwarder.pem"],
            "key_file": at["forwarder.key"],
        }
        async with backend.open(own.config(mine.node, **ours)) as system:

            async def accepted() -> bool:
                return (await system.snapshot(own.snapshot("secret", {"good": 1}))).processed == 1

            assert await until(accepted)
        async with backend.open(own.config(mine.node, **asks)) as system:
            found = await system.snapshot(own.snapshot("secret", {"good": 1}))
            assert found.detail == "1 are of a host that accepts no connections without encryption"
            assert found.refused == 1
        certified(authority, "stranger")
        async with backend.open(
            own.config(mine.node, **ours | {"ca_file": str(authority / "stranger.pem")})
        ) as system:
            with pytest.raises(errors.Temporary, match=rf"{mine.node}: .*certificate verify failed"):
                await system.snapshot(own.snapshot("secret", {"good": 1}))
