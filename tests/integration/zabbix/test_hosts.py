"""The life of an instance's host on a real server: made, retired, woken, removed."""

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from concierge_backends import port
from concierge_backends.zabbix import api, backend, names, provision, trapper
from concierge_backends.zabbix.keeper import census, departures, enrol, retire
from concierge_proto import errors, messages, settings
from tests import peer
from tests.integration.zabbix.conftest import SECRET, Until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = int(os.environ.get("HOSTS", "25"))
"""A hundred take a quiet machine some seconds, and a busy one half a minute: HOSTS=100 and --log-cli-level=INFO."""
_log = logging.getLogger(__name__)


@dataclasses.dataclass
class House:
    """A backend with a host keeper, and what Zabbix has of its service."""

    system: backend.Backend
    door: api.Api
    config: settings.Settings
    service: str
    prefix: str = ""

    def named(self, instance: str = "one") -> str:
        return f"{self.prefix}-{instance}"

    def host(self, instance: str = "one") -> str:
        return names.instance_host(self.config, self.service, self.named(instance))

    async def beat(self, state: int = 1, instance: str = "one", **more: Any) -> None:
        said = {"time_ns": time.time_ns(), "boot": "b1", "version": "0.1", **more}
        await self.system.heartbeat(
            messages.Heartbeat(service=self.service, instance=self.named(instance), state=state, **said)
        )

    async def found(self, instance: str = "one") -> census.Found | None:
        return (await census.named(self.door, [self.host(instance)])).get(self.host(instance))

    async def alive(self, instance: str = "one") -> census.Found | None:
        found = await self.found(instance)
        return found if found and found.enabled else None

    async def retired(self, instance: str = "one") -> census.Found | None:
        found = await self.found(instance)
        return found if found and not found.enabled else None

    async def problems(self, instance: str = "one") -> set[str]:
        found = await self.found(instance)
        asked = {"hostids": [found.id if found else "0"], "output": ["name"]}
        return {one["name"] for one in await self.door.call("problem.get", asked)}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["PEER_ZABBIX", "PEER_ZABBIX60"])
async def settled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """One service on each server, with a host keeper whose token `apply` wrote: it may do no more than it must."""
    prefix, folder, service = request.param, tmp_path_factory.mktemp("hosts"), f"t{secrets.token_hex(4)}"
    peer.need("zabbix60" if prefix == "PEER_ZABBIX60" else "zabbix")
    url, user, password = (os.environ[f"{prefix}_{name}"] for name in ("API", "USER", "PASSWORD"))
    own = {
        "servers": [os.environ[f"{prefix}_TRAPPER"]],
        "api_url": url,
        "api_token_file": str(folder / "token"),
        "keeper_token_file": str(folder / "keeper"),
        "instance_host": f"{service}.{{instance}}",
    }
    tree = {
        "monitoring": {"backends": ["zabbix"], "zabbix": own},
        "targets": {"shop": {"kind": "compose", "project": "shop"}},
        "services": {service: {"target": "shop", "max": 5}},
    }
    config = settings.parse(tree, "test")
    await provision.apply(
        config, user=user, password=password, gateway_url="http://127.0.0.1:9", secret=SECRET
    )
    login = api.Login(user=user, password=password)
    async with api.connect(url, login) as door, backend.open(config) as system:
        yield House(system, door, config, service)


@pytest.fixture
def house(settled: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The same, with instances that no other test has."""
    monkeypatch.setattr(departures, "GRACE", 0.2)
    return dataclasses.replace(settled, prefix=secrets.token_hex(3))


def _with(config: settings.Settings, own: settings.Zabbix) -> settings.Settings:
    monitoring = msgspec.structs.replace(config.monitoring, zabbix=own)
    return msgspec.structs.replace(config, monitoring=monitoring)


async def test_a_host_is_made_without_what_registering_leaves_behind(house: House, until: Until) -> None:
    await house.system.discovery(
        messages.Discovery(
            service=house.service,
            instance=house.named(),
            time_ns=time.time_ns(),
            boot="b1",
            kinds={},
            facts={"courier": "0.1", "image": "shop/web:7"},
        )
    )
    made = await until(house.found)
    assert census.service(made, house.config) == house.service
    assert list(made.groups.values()) == [names.host_group(house.config, house.service)]
    assert (made.enabled, made.interfaces, made.boot) == (True, 0, "b1")
    (doc,) = await house.door.call("host.get", {"hostids": [made.id], "selectInventory": "extend"})
    inventory = doc["inventory"]
    assert (inventory["software"], inventory["software_app_a"]) == ("shop/web:7", "concierge-courier 0.1")


async def test_a_stop_closes_problems_keeps_the_reason_and_disables(
    house: House, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.beat()
    await until(house.alive)
    monkeypatch.setattr(departures, "GRACE", 3600)  # until Zabbix has its problem
    await house.beat(0, reason="oom", exit_code=137)

    async def open_problems() -> set[str]:
        return await house.problems()

    assert await until(open_problems) == {"Container is stopped"}
    monkeypatch.setattr(departures, "GRACE", 0.2)
    left = await until(house.retired)
    assert left.ended is not None
    assert dict(left.tags)["concierge.reason"] == "oom (exit code 137)"
    assert left.description.startswith("Concierge: stopped at 2")
    assert left.description.endswith("oom (exit code 137)")

    async def closed() -> bool:
        return not await house.problems()

    assert await until(closed)


async def test_a_new_life_under_the_same_name_gets_its_host_back(house: House, until: Until) -> None:
    await house.beat()
    await until(house.alive)
    await house.beat(0, reason="exited", exit_code=0)
    await until(house.retired)
    await house.beat(0)  # said once more
    await house.beat(boot="b2")
    found = await until(house.alive)
    assert (found.ended, found.boot, found.description) == (None, "b2", "")
    assert "concierge.reason" not in dict(found.tags)


async def test_an_application_that_its_courier_starts_again_too(house: House, until: Until) -> None:
    await house.beat()
    await until(house.alive)
    await house.beat(0, reason="exited", exit_code=1)
    await until(house.retired)
    await house.beat()
    assert (await until(house.alive)).ended is None


async def test_one_that_is_back_at_once_is_never_retired(
    house: House, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "GRACE", 0.5)
    await house.beat()
    await until(house.alive)
    await house.beat(0, reason="exited", exit_code=1)
    await house.beat()
    await house.beat(instance="two")
    await until(lambda: house.alive("two"))
    await house.beat(0, instance="two")
    await until(lambda: house.retired("two"))  # later than the first would have been
    assert await house.alive()


async def test_late_words_wake_nobody(house: House, until: Until) -> None:
    await house.beat()
    await until(house.alive)
    await house.beat(0)
    await until(house.retired)
    late = messages.Snapshot(
        service=house.service,
        instance=house.named(),
        time_ns=time.time_ns(),
        seq=9,
        boot="b1",
        blocks=(messages.Block(kind="gauge", fields=("value",), names=("load",), values=(1,)),),
    )
    async with backend.open(house.config) as other:  # one that remembers nothing
        for system in (house.system, other):
            await system.snapshot(late)
        await house.beat(instance="two")
        await until(lambda: house.alive("two"))
        assert await house.retired()


async def test_hosts_whose_time_has_come_are_removed_and_no_others(house: House) -> None:
    group = {"groupid": await _group(house.door, names.host_group(house.config, house.service))}
    other = {"groupid": await _made_group(house.door, f"somebody's {house.service}")}
    ours = census.pairs([census.INSTANCE, (census.SERVICE, house.service)])
    over, young = (census.pairs(census.ending(time.time() - age, "exited")) for age in (60, 1))

    def hosts(name: str, count: int = 1, **doc: Any) -> list[dict[str, Any]]:
        plain = {"groups": [group], "tags": ours + over, "status": 1}
        return [{"host": f"{house.prefix} {name} {number}", **plain, **doc} for number in range(count)]

    await house.door.call(
        "host.create",
        [
            *hosts("gone", 300),
            *hosts("young", tags=ours + young),
            *hosts("enabled again", status=0),
            *hosts("disabled by hand", tags=ours),
            *hosts("without our tag", tags=[ours[1], *over]),
            *hosts("in another group", groups=[other]),
            *hosts("of another service", tags=[ours[0], {"tag": "service", "value": "x"}, *over]),
            *hosts("with words for a time", tags=[*ours, {"tag": "concierge.ended", "value": "soon"}]),
        ],
    )
    removed = await retire.remove(house.door, house.config, time.time() - 30)
    assert removed >= 300
    left = await house.door.call("host.get", {"search": {"host": f"{house.prefix} "}, "output": ["host"]})
    assert {one["host"].removeprefix(f"{house.prefix} ")[:-2] for one in left} == {
        "young",
        "enabled again",
        "disabled by hand",
        "without our tag",
        "in another group",
        "of another service",
        "with words for a time",
    }


async def test_the_holder_of_the_lease_removes(house: House, until: Until) -> None:
    own = msgspec.structs.replace(house.config.monitoring.zabbix, remove_after=settings.Duration(0))
    async with backend.open(_with(house.config, own)) as system:
        house = dataclasses.replace(house, system=system)
        await house.beat()
        await until(house.alive)
        await house.beat(0)
        await until(house.retired)

        async def gone() -> bool:
            await system.aggregates(port.Aggregates(house.service, time.time_ns(), 0, 0, ()))
            return not await house.found()

        assert await until(gone)


async def test_a_host_of_somebody_else_is_left_alone(
    house: House, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    group = await _made_group(house.door, f"somebody's {house.service}")
    theirs = {"host": house.host(), "groups": [{"groupid": group}], "description": "ours!"}
    await house.door.call("host.create", theirs)

    async def said() -> bool:
        await house.beat()
        return "is not ours and is left alone" in caplog.text

    assert await until(said)
    await house.beat(0)
    await house.beat(instance="two")
    await until(lambda: house.alive("two"))
    found = await house.found()
    assert found is not None
    assert (found.enabled, found.description, found.tags) == (True, "ours!", ())


async def test_two_forwarders_that_meet_the_same_instances_make_each_host_once(house: House) -> None:
    """Zabbix itself makes a host twice of two calls at the same moment."""
    own = house.config.monitoring.zabbix
    login = api.Login(token=Path(own.keeper_token_file).read_text("utf-8").strip())
    hosts = [house.host(f"n{number}") for number in range(6)]
    async with api.connect(own.api_url, login) as one, api.connect(own.api_url, login) as other:
        for name in hosts:
            arrival = [enrol.Arrival(name, house.service, "b1")]
            told = await asyncio.gather(*(enrol.enrol(door, house.config, arrival) for door in (one, other)))
            assert any(found.made == [name] for found in told)
            assert not any(found.foreign for found in told)
    found = await house.door.call("host.get", {"filter": {"host": hosts}, "output": ["host"]})
    assert sorted(doc["host"] for doc in found) == sorted(hosts)


async def test_a_host_that_registered_itself_is_tidied(house: House, until: Until) -> None:
    way = trapper.Trapper(house.config.monitoring.zabbix.servers, 5)
    again = itertools.count()

    async def registered() -> bool:
        # With a new text each time: the server may not know the action yet.
        words = f"concierge service={house.service} boot=b1 again={next(again)}"
        await way.register(house.host(), words)
        found = await house.found()
        return found is not None and bool(census.service(found, house.config))

    await until(registered)
    before = await house.found()
    assert before is not None
    assert (before.interfaces, "Discovered hosts" in before.groups.values()) == (1, True)
    await house.beat()

    async def tidy() -> bool:
        found = await house.found()
        return found is not None and not found.interfaces

    assert await until(tidy)
    after = await house.found()
    assert after is not None
    assert (after.boot, census.service(after, house.config)) == ("b1", house.service)
    await way.close()


async def test_without_rights_hosts_register_themselves(
    house: House, until: Until, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = house.config.monitoring.zabbix
    (token := tmp_path / "keeper").write_text("0" * 64)
    config = _with(house.config, msgspec.structs.replace(own, keeper_token_file=str(token)))
    async with backend.open(config) as system:
        house = dataclasses.replace(house, system=system)
        await house.beat()
        assert (await until(house.alive)).interfaces == 1
        assert "hosts register themselves meanwhile" in caplog.text
        token.write_text(Path(own.keeper_token_file).read_text())  # counts without a restart
        await house.beat(instance="two")
        assert (await until(lambda: house.alive("two"))).interfaces == 0


async def test_whom_zabbix_takes_for_running(house: House, until: Until) -> None:
    """What the forwarder asks when it starts: an instance may have died while nobody listened."""
    await house.beat()
    await house.beat(instance="two")
    await until(house.alive)
    await until(lambda: house.alive("two"))
    await house.beat(0, instance="two")
    await until(lambda: house.retired("two"))
    found = await house.system.instances()
    mine = [one for one in found if one.name.startswith(house.prefix)]
    assert mine == [port.Instance(house.service, house.named())]


async def test_6_0_is_sent_no_heartbeat_of_an_agent(house: House, until: Until) -> None:
    """It would write a line into its log for each."""
    if house.door.seven:
        pytest.skip("7.0 understands it: see test_loop.py")
    await house.system.problems("zabbix")  # with this it knows the version
    await house.beat()
    await until(house.alive)
    await house.beat()
    assert "active check heartbeat" not in Path(os.environ["PEER_ZABBIX60_LOG"]).read_text("utf-8", "replace")


async def test_many_at_once(house: House, until: Until) -> None:
    instances = [f"i{number}" for number in range(MANY)]
    began = time.monotonic()
    await asyncio.gather(*(house.beat(instance=one) for one in instances))

    async def accepted() -> bool:
        """Ask ourselves, not Zabbix: its front end is busy with the hosts."""
        known = [house.system._hosts.get(house.host(one), house.service) for one in instances]
        return not any(one.account.waiting for one in known)

    assert await until(accepted)
    _log.info("%d instances, first word to last value: %.1f s", MANY, time.monotonic() - began)
    found = await census.named(house.door, [house.host(one) for one in instances])
    assert all(one.interfaces == 0 and len(one.groups) == 1 for one in found.values())
    ids = [one.id for one in found.values()]
    states = {"hostids": ids, "filter": {"key_": names.STATE, "lastvalue": "1"}, "output": ["lastvalue"]}

    async def stored() -> bool:
        items = await house.door.call("item.get", states)
        return [one["lastvalue"] for one in items] == ["1"] * MANY

    assert await until(stored)
    await house.door.call("host.update", [{"hostid": one, "status": 1} for one in ids])
    for first in range(0, len(instances), 20):  # the server may write to them still: then it refuses
        some = [found[house.host(one)].id for one in instances[first : first + 20]]
        with contextlib.suppress(errors.Permanent):
            await house.door.call("host.delete", some)


async def _group(door: api.Api, name: str) -> str:
    (found,) = await door.call("hostgroup.get", {"filter": {"name": [name]}, "output": ["groupid"]})
    return str(found["groupid"])


async def _made_group(door: api.Api, name: str) -> str:
    made = await door.call("hostgroup.create", {"name": f"{name} {secrets.token_hex(2)}"})
    return str(made["groupids"][0])
