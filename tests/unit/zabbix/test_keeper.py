"""Hosts that come and go, on a Zabbix in memory that fails when asked."""

import asyncio
from typing import Any, cast

import pytest

from concierge_backends.zabbix import hosts, keeper, packets
from concierge_backends.zabbix.keeper import arrivals, census, departures, enrol, retire, session
from concierge_proto import errors, messages, settings
from tests.unit.zabbix.house import House

CONFIG = settings.parse(
    {
        "targets": {"shop": {"kind": "compose"}},
        "services": {"web": {"target": "shop", "max": 3}},
        "monitoring": {"zabbix": {"keeper_token_file": "none"}},
    },
    "test",
)


def host(name: str = "one", boot: str = "b1") -> hosts.Host:
    return hosts.Host(name, "web", boot, courier="0.1", image="shop/web:7")


def arrival(name: str = "one", boot: str = "b1", **more: Any) -> enrol.Arrival:
    return enrol.Arrival(name, "web", boot, **more)


def end(name: str = "one", boot: str = "b1", at: float = 1_700_000_000.0) -> retire.End:
    return retire.End(name, at, "exited (exit code 3)", boot)


def ended(at: float = 1_700_000_000.0) -> list[dict[str, str]]:
    mine = (census.INSTANCE, (census.SERVICE, "web"))
    return census.pairs([*mine, *census.ending(at, "exited")])


class TestEnrol:
    async def test_many_are_one_call(self) -> None:
        house = House()
        found = await enrol.enrol(cast("Any", house), CONFIG, [arrival(f"i{n}") for n in range(25)])
        assert len(found.made) == len(house.hosts) == 25
        assert house.methods() == ["host.create"]

    async def test_one_that_is_there_costs_no_write(self) -> None:
        house = House()
        house.add("one")
        assert await enrol.enrol(cast("Any", house), CONFIG, [arrival()]) == enrol.Enrolled([], [], [])
        assert house.methods() == []

    async def test_another_forwarder_was_faster_with_some(self) -> None:
        house = House()
        house.faults["host.create"] = [errors.Permanent('"two" already exists.')]
        asked = house.host_get

        def later(params: dict[str, Any]) -> list[dict[str, Any]]:
            found = asked(params)
            if "two" not in house.hosts:
                house.add("two")
            return found

        house.host_get = later  # type: ignore[method-assign]
        found = await enrol.enrol(cast("Any", house), CONFIG, [arrival("one"), arrival("two")])
        assert found.made == ["one"]
        assert set(house.hosts) == {"one", "two"}

    async def test_a_host_that_the_keeper_may_not_see_is_foreign(self) -> None:
        house = House()
        house.add("one", tags=[])
        house.hidden.add("one")
        found = await enrol.enrol(cast("Any", house), CONFIG, [arrival()])
        assert found == enrol.Enrolled([], ["one"], [])

    async def test_without_group_or_template_the_remedy_is_said(self) -> None:
        house = House()
        house.template_get = lambda _: []  # type: ignore[method-assign]
        with pytest.raises(errors.Permanent, match=r"'Concierge instance of web' is not there.*zabbix apply"):
            await enrol.enrol(cast("Any", house), CONFIG, [arrival()])

    @pytest.mark.parametrize(
        ("boot", "running", "woken"),
        [("b1", False, False), ("b1", True, True), ("b2", False, True)],
        ids=["a late word", "started again", "another life"],
    )
    async def test_who_wakes_a_retired_host(self, boot: str, running: bool, woken: bool) -> None:
        house = House()
        house.add("one", status="1", tags=ended(), description="Concierge: stopped at …")
        found = await enrol.enrol(cast("Any", house), CONFIG, [arrival(boot=boot, running=running)])
        assert found.asleep == ([] if woken else ["one"])
        assert int(house.hosts["one"]["status"]) == (0 if woken else 1)
        assert bool(house.tag("one", census.ENDED)) is not woken
        assert house.hosts["one"]["description"] == ("" if woken else "Concierge: stopped at …")

    async def test_what_somebody_else_did_stays(self) -> None:
        house = House()
        mine = {"tag": "team", "value": "blue"}
        house.add("one", status="1", description="noisy", tags=[mine, *ended()[:2]])
        await enrol.enrol(cast("Any", house), CONFIG, [arrival(boot="b2")])
        found = house.hosts["one"]
        assert (found["status"], found["description"]) == ("1", "noisy")
        assert mine in found["tags"]

    async def test_an_interface_that_is_in_use_stays(self) -> None:
        house = House()
        stray = {"groupid": "5", "name": "Discovered hosts"}
        ours = {"groupid": "7", "name": "Concierge/web"}
        house.add("one", hostgroups=[stray, ours], interfaces=[{}], inventory=[])
        updates: list[dict[str, Any]] = []

        def update(docs: Any) -> None:
            if isinstance(docs, dict):
                updates.append(docs)
                if "interfaces" in docs:
                    raise errors.Permanent("Interface is linked to item")

        house.host_update = update  # type: ignore[method-assign]
        await enrol.enrol(cast("Any", house), CONFIG, [arrival()])
        assert updates[-1] == {"hostid": "1", "groups": [{"groupid": "7"}]}


class TestRetire:
    async def test_problems_are_closed_where_that_is_allowed(self) -> None:
        house = House()
        house.add("one")
        house.problems = [
            {"eventid": "1", "objectid": "11", "hostid": "1", "closable": True},
            {"eventid": "2", "objectid": "12", "hostid": "1", "closable": False},
        ]
        assert await retire.retire(cast("Any", house), CONFIG, [end(), end("never there")]) == ["one"]
        assert [one["eventid"] for one in house.problems] == ["2"]
        assert house.tag("one", census.REASON) == "exited (exit code 3)"
        said = house.hosts["one"]["description"]
        assert said == "Concierge: stopped at 2023-11-14 22:13:20 UTC: exited (exit code 3)"

    async def test_cut_off_before_the_problems_it_closes_them_the_next_time(self) -> None:
        house = House()
        house.add("one")
        house.problems = [{"eventid": "1", "objectid": "11", "hostid": "1", "closable": True}]
        house.faults["problem.get"] = [errors.Temporary("away")]
        with pytest.raises(errors.Temporary):
            await retire.retire(cast("Any", house), CONFIG, [end()])
        await retire.retire(cast("Any", house), CONFIG, [end(at=1_800_000_000.0)])
        assert not house.problems
        assert house.tag("one", census.ENDED) == "1700000000"

    async def test_removed_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retire, "AT_ONCE", 2)
        house = House()
        for number in range(5):
            house.add(f"i{number}", status="1", tags=ended(100.0 + number))
        assert await retire.remove(cast("Any", house), CONFIG, 103.0) == 4
        assert list(house.hosts) == ["i4"]
        assert [len(ids) for method, ids in house.calls if method == "host.delete"] == [2, 2]

    @pytest.mark.parametrize("said", ["", "soon", "-1", "٣", "1e9"])
    def test_an_end_that_is_no_time_is_none(self, said: str) -> None:
        tags = ((census.ENDED, said),)
        found = census.Found("1", "one", False, "", tags, (), {}, 0, "")
        assert found.ended is None


class TestArrivals:
    def made(self, house: House) -> tuple[arrivals.Arrivals, list[str], list[str]]:
        registered: list[str] = []
        warnings: list[str] = []

        async def register(one: hosts.Host) -> None:
            registered.append(one.name)

        ways = arrivals.Ways(register, lambda one: one.grow(1.0), lambda _: None)
        waiting = arrivals.Arrivals(CONFIG, cast("session.Session", house), ways, warnings.append)
        return waiting, registered, warnings

    async def test_they_wait_while_the_api_is_away(self) -> None:
        house = House()
        house.faults["host.get"] = [errors.Temporary("away")]
        waiting, _, _ = self.made(house)
        waiting.add(one := host(), running=False)
        with pytest.raises(errors.Temporary):
            await waiting.settle()
        assert "one" in waiting
        assert not one.young_until
        await waiting.settle()
        assert "one" in house.hosts
        assert one.young_until  # what waits for it was told
        assert "one" not in waiting

    async def test_one_that_is_refused_keeps_no_other_out(self) -> None:
        house = House()
        house.refused.add("bad/name")
        waiting, registered, warnings = self.made(house)
        for name in ("one", "bad/name", "two"):
            waiting.add(host(name), running=False)
        await waiting.settle()
        assert set(house.hosts) == {"one", "two"}
        assert registered == ["bad/name"]
        assert "hosts register themselves meanwhile" in warnings[0]

    async def test_a_newer_life_that_comes_meanwhile_is_not_lost(self) -> None:
        house = House()
        waiting, _, _ = self.made(house)
        waiting.add(host(), running=False)
        create = house.host_create

        def created(docs: list[dict[str, Any]]) -> dict[str, Any]:
            waiting.add(host(boot="b2"), running=False)
            return create(docs)

        house.host_create = created  # type: ignore[method-assign]
        await waiting.settle()
        assert "one" in waiting
        await waiting.settle()
        assert house.hosts["one"]["inventory"]["tag"] == "b2"


class TestDepartures:
    def made(self, *names: str) -> tuple[departures.Departures, House]:
        house = House()
        going = departures.Departures(CONFIG, cast("session.Session", house))
        for name in names:
            house.add(name)
            going.add(host(name), end(name), 100.0)
        return going, house

    async def test_they_have_a_while(self) -> None:
        going, house = self.made("one")
        assert await going.settle(100.0 + departures.GRACE - 0.1, ()) == []
        ((_, left),) = await going.settle(100.0 + departures.GRACE, ())
        assert left == end()
        assert house.hosts["one"]["status"] == 1
        assert await going.settle(1e9, ()) == []

    async def test_values_that_wait_for_their_items_put_it_off_but_not_for_ever(self) -> None:
        going, _ = self.made()
        waiting = host()
        waiting.account.park([packets.row("one", "a", 1, 10**18)], 0.0, 60.0)
        going.add(waiting, end(), 100.0)
        assert await going.settle(100.0 + departures.PATIENCE, ()) == []
        assert len(await going.settle(100.1 + departures.PATIENCE, ())) == 1

    async def test_a_host_that_is_still_to_be_made_is_not_retired(self) -> None:
        going, _ = self.made("one", "two")
        left = await going.settle(1e9, {"two"})
        assert [one.name for one, _ in left] == ["one"]

    async def test_one_that_comes_back_while_it_is_retired_is_told(self) -> None:
        going, house = self.made("one")
        update = house.host_update

        def updated(docs: Any) -> None:
            update(docs)
            assert going.cancel("one")

        house.host_update = updated  # type: ignore[method-assign]
        ((_, left),) = await going.settle(1e9, ())
        assert left is None

    def test_the_end_of_an_earlier_life_is_not_the_end_of_the_next(self) -> None:
        going, _ = self.made("one")
        assert not going.cancel("one", but="b1")
        assert going.cancel("one", but="b2")
        assert not going.cancel("one")


class TestKeeper:
    @pytest.fixture
    def kept(self, monkeypatch: pytest.MonkeyPatch) -> tuple[keeper.Keeper, House]:
        house = House()
        monkeypatch.setattr(session, "Session", lambda _: house)
        monkeypatch.setattr(departures, "GRACE", 0.01)
        house.close = _nothing  # type: ignore[attr-defined]
        ways = arrivals.Ways(cast("Any", _nothing), lambda _: None, lambda _: None)
        return keeper.Keeper(CONFIG, ways), house

    async def test_it_goes_on_after_every_failure(
        self, kept: tuple[keeper.Keeper, House], caplog: pytest.LogCaptureFixture
    ) -> None:
        found, house = kept
        house.faults = {
            "host.get": [errors.Temporary("away", 0.01)],
            "host.update": [errors.Temporary("away", 0.01)],
        }
        one = host()
        running = asyncio.create_task(found.run())
        found.arrived(one)
        await _until(lambda: "one" in house.hosts)
        one.tries = 1
        found.stopped(one, _beat(0), "exited")
        await _until(lambda: house.hosts["one"]["status"] == 1)
        found.arrived(one)  # a late word
        found.running(one)
        await _until(lambda: house.hosts["one"]["status"] == 0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [record.getMessage() for record in caplog.records] == ["hosts wait: away"]

    async def test_only_the_holder_of_the_lease_removes(
        self, kept: tuple[keeper.Keeper, House], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found, house = kept
        monkeypatch.setattr(keeper, "LONGEST", 0.01)
        house.add("one", status="1", tags=ended(1.0))
        await found._remove()
        assert "one" in house.hosts
        found.hold()
        await found._remove()
        assert not house.hosts


async def _nothing(*_: Any) -> None:
    return


def _beat(state: int) -> messages.Heartbeat:
    return messages.Heartbeat(service="web", instance="one", time_ns=10**18, boot="b1", state=state)


async def _until(true: Any) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)
