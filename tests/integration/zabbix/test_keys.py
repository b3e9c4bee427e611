"""Names of metrics with every character there is: discovered, sent, and in the history of the item that has them."""

import string
import time
from typing import Any

import pytest

from concierge_backends.zabbix import api, backend, keys, names
from concierge_proto import messages, settings
from tests.integration.zabbix.conftest import Apply, Until

EACH = [form.format(sign) for sign in string.printable for form in ("a{}b", "{}c", "d{}")]
QUOTED = ["", '"quoted"', '"open', "[a]", "a[b,c]d", '","', "a\\", "\\", 'a\\"b', 'a,"', "a  b"]
MACROS = ["$1", "{#X}", "{$M}", "{HOST.HOST}", "%s"]
UNUSUAL = ["\x01", "\x7f", "\x85", "\xa0", "é", "e\u0301", "日本語", "🦊", "\u202e", "\ufeff", "\ud7ff"]
LONG = ["x" * 249, "ü" * 240, "," * 240]
NO_ITEM = ["{#NAME}", "y" * 250, "z" * 2034, "w" * 2035, "," * 2032]
"""A key may have 2,048 characters, but the name of the item that discovery makes of it only 255; and one key is taken:
that of the prototype."""
IMPOSSIBLE = ["v" * 2036, "," * 2034, "nul\x00", "a,\\"]
NAMES = tuple(dict.fromkeys(EACH + QUOTED + MACROS + UNUSUAL + LONG + NO_ITEM + IMPOSSIBLE))


def snapshot(service: str) -> messages.Snapshot:
    values = tuple(range(1, len(NAMES) + 1))
    block = messages.Block(kind="gauge", fields=("value",), names=NAMES, values=values)
    return messages.Snapshot(
        service=service, instance="one", time_ns=time.time_ns(), seq=1, boot="b1", blocks=(block,)
    )


async def stored(door: api.Api, host: str, time_ns: int) -> list[tuple[str, str]]:
    """Return key and value of all that is in the history of discovered items with this time."""
    clock, ns = divmod(time_ns, 10**9)
    asked = {"host": host, "search": {"key_": "gauge["}, "startSearch": True, "output": ["key_"]}
    items = {one["itemid"]: one["key_"] for one in await door.call("item.get", asked)}
    times = {"time_from": clock, "time_till": clock, "filter": {"ns": ns}}
    found = await door.call(
        "history.get", {"itemids": list(items), "history": 0, "output": "extend", **times}
    )
    return [(items[one["itemid"]], one["value"]) for one in found if one["ns"] == str(ns)]


@pytest.mark.timeout(120)
async def test_every_value_is_in_its_items_history_or_counted(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until
) -> None:
    await ready()
    lost = {*NO_ITEM, *IMPOSSIBLE}
    wanted = {keys.key("gauge", name, "value"): at for at, name in enumerate(NAMES, 1) if name not in lost}
    assert None not in wanted
    about: dict[str, Any] = {"service": service, "instance": "one", "boot": "b1"}
    async with backend.open(config) as system:
        await system.discovery(messages.Discovery(time_ns=time.time_ns(), kinds={"gauge": NAMES}, **about))

        async def sent() -> tuple[int, Any]:
            said = snapshot(service)
            delivered = await system.snapshot(said)
            return (said.time_ns, delivered) if delivered.processed else ()  # type: ignore[return-value]

        time_ns, delivered = await until(sent)
    host = names.instance_host(config, service, "one")
    assert delivered.refused == len(IMPOSSIBLE)
    assert f"{len(IMPOSSIBLE)} are a name that Zabbix cannot quote" in delivered.detail
    assert (delivered.processed, delivered.parked) == (len(wanted), len(NO_ITEM))

    async def all_stored() -> list[tuple[str, str]]:
        found = await stored(door, host, time_ns)
        return found if len(found) >= len(wanted) else []

    found = await until(all_stored)
    assert len(found) == len(wanted)
    assert {key: float(value) for key, value in found} == wanted
