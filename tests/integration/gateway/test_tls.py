"""HTTPS, callers with certificates, and files that can't be used."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from concierge_gateway import run
from concierge_proto import bus, errors
from tests import papers
from tests.integration.gateway import house


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> papers.Papers:
    return papers.make(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> papers.Papers:
    return papers.make(tmp_path_factory.mktemp("strangers"))


def trusting(pair: papers.Papers, shown: papers.Papers | None = None) -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=str(pair.ca))
    if shown:
        found.load_cert_chain(shown.cert, shown.key)
    return found


async def post(url: str, context: ssl.SSLContext, signer: house.Client) -> int:
    body = msgspec.json.encode({"event_id": "t", "status": "problem", "service": "web", "name": "x"})
    headers = {"content-type": "application/json", **signer.signed(body)}
    async with httpx.AsyncClient(verify=context) as http:
        return (await http.post(f"{url}/webhooks/own", content=body, headers=headers)).status_code


async def test_https(link: bus.Bus, tmp_path: Path, pair: papers.Papers) -> None:
    config = house.configuration(tmp_path, tls_cert_file=str(pair.cert), tls_key_file=str(pair.key))
    async with house.serving(config, link, verify=trusting(pair)) as client:
        url = str(client.http.base_url)
        assert url.startswith("https://127.0.0.1:")
        assert await post(url, trusting(pair), client) == 202
        with pytest.raises(httpx.HTTPError):
            await client.http.get(url.replace("https", "http"))
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await post(url, ssl.create_default_context(), client)


async def test_callers_show_a_certificate(
    link: bus.Bus, tmp_path: Path, pair: papers.Papers, strangers: papers.Papers
) -> None:
    files = {
        "tls_cert_file": str(pair.cert),
        "tls_key_file": str(pair.key),
        "tls_client_ca_file": str(pair.ca),
    }
    config = house.configuration(tmp_path, **files)
    async with house.serving(config, link, verify=trusting(pair, pair)) as client:
        url = str(client.http.base_url)
        assert await post(url, trusting(pair, pair), client) == 202
        for refused in (trusting(pair), trusting(pair, strangers)):
            with pytest.raises(httpx.HTTPError):
                await post(url, refused, client)
        unsigned = await client.post("own", b"{}", {})
        assert unsigned.status_code == 401, "a certificate is no signature"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tls_cert_file": "/none"}, r"gateway\.tls_cert_file: /none is no file"),
        ({"tls_key_file": "{key}"}, r"gateway\.tls_key_file needs gateway\.tls_cert_file"),
        ({"tls_cert_file": "{cert}", "tls_key_file": "{ca_key}"}, r"gateway\.tls_cert_file: .*a pair"),
        ({"tls_cert_file": "{key}"}, r"gateway\.tls_cert_file: .*PEM"),
        (
            {"tls_cert_file": "{cert}", "tls_key_file": "{key}", "tls_client_ca_file": "{key}"},
            r"gateway\.tls_client_ca_file: ",
        ),
    ],
)
async def test_files_that_cannot_be_used_are_named(
    link: bus.Bus, tmp_path: Path, pair: papers.Papers, files: dict[str, Any], said: str
) -> None:
    places = {"cert": pair.cert, "key": pair.key, "ca_key": pair.ca.with_suffix(".key")}
    config = house.configuration(tmp_path, **{name: path.format(**places) for name, path in files.items()})
    with pytest.raises(errors.Permanent, match=said):
        await run.run(config, link)


async def shown(url: str) -> bytes:
    """Return the certificate that a new caller is shown."""
    host, _, number = url.removeprefix("https://").partition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(number), ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


async def test_a_renewed_certificate_is_shown_without_a_restart(
    link: bus.Bus, tmp_path: Path, strangers: papers.Papers, caplog: pytest.LogCaptureFixture
) -> None:
    own = papers.make(tmp_path / "tls")
    config = house.configuration(tmp_path, tls_cert_file=str(own.cert), tls_key_file=str(own.key))
    async with house.serving(config, link, verify=trusting(own)) as client, asyncio.timeout(60):
        url = str(client.http.base_url).rstrip("/")
        before = await shown(url)
        own.cert.write_bytes(strangers.cert.read_bytes())
        while "goes on being shown" not in caplog.text:
            await asyncio.sleep(0.05)
        assert await shown(url) == before, "half a pair changes nothing"
        own.key.write_bytes(strangers.key.read_bytes())
        while await shown(url) == before:
            await asyncio.sleep(0.05)
        assert await post(url, trusting(strangers), client) == 202
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await post(url, trusting(own), client)
