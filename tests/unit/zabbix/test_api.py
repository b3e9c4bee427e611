"""The door to Zabbix's API, before anybody is called."""

import asyncio

import pytest

from concierge_backends.zabbix import api
from concierge_proto import errors


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1/",
        "http://zabbix:1:2/",
        "zabbix.example",
        "ftp://zabbix/",
        "http://",
        "http://u:hunter2@zabbix/",
    ],
)
async def test_what_is_no_address_is_named_and_not_repeated(url: str) -> None:
    with pytest.raises(errors.Permanent, match=r"monitoring\.zabbix\.api_url, or --url.*https://") as caught:
        async with api.connect(url, api.Login(token="t")):
            pass
    assert "hunter2" not in str(caught.value)


async def test_a_page_that_is_not_there_says_where_to_look() -> None:
    async def missing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(missing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(errors.Temporary, match="api_url is the address of the login page"):
            async with api.connect(f"http://127.0.0.1:{port}/", api.Login(token="t")):
                pass
