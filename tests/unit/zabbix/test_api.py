"""The door to Zabbix's API, before anybody is called."""

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
