"""A further cluster has what hears values, and nothing that asks for steps."""

from concierge_backends.zabbix import api
from concierge_backends.zabbix.provision import actions
from tests.integration.zabbix.conftest import Apply
from tests.integration.zabbix.test_provision import counted


async def test_what_only_hears_has_no_action_that_asks(apply: Apply, door: api.Api, service: str) -> None:
    asking = {actions.name(service, f"High load of {service}"), actions.TAGGED}
    listening = f"Concierge: new instances of {service}"
    question = {"filter": {"name": [*asking, listening]}, "output": ["name"]}
    try:
        await apply()
        gone = await apply(asks=False)
        assert {one.name for one in gone if one.change == "delete"} == asking
        assert counted(await apply(asks=False, dry_run=True)) == {"none"}
        assert [one["name"] for one in await door.call("action.get", question)] == [listening]
    finally:
        back = await apply()
    assert {one.name for one in back if one.change == "create"} == asking
