"""`concierge doctor`, as an operator runs it."""

from pathlib import Path

from concierge_proto import bus
from tests.integration.cli.desk import CONFIG, Desk


async def test_all_is_good_while_everything_runs(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.up():
        assert (await desk.say("scale", "web", "1")).code == 0
        said = await desk.say("doctor", "--json")
        people = await desk.say("doctor")
    checks = {check["what"]: check for check in said.json}
    assert (said.code, people.code) == (0, 0), said.out + said.err
    assert checks["target local: lease"]["found"].endswith("up")
    assert checks["service web: couriers"]["found"] == "1 of 1 instances are heard"
    assert "good  bus: nats://" in people.out


async def test_an_endpoint_that_is_held_under_another_name_serves_nobody(
    link: bus.Bus, nats_url: str, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, CONFIG + f'[nats]\nurl = "{nats_url}"\n')
    free = {one["what"]: one for one in (await desk.say("doctor", "--json")).json}["target local: lease"]
    key = free["found"].removeprefix("nobody holds ")
    await link.store("concierge_leases").create(key, b"twin /scheduler a b 1")
    said = await desk.say("doctor", "--json")
    held = {one["what"]: one for one in said.json}["target local: lease"]
    assert (said.code, held["good"]) == (3, False)
    assert held["found"] == "held by /scheduler as target twin, so nobody serves local"
    assert "give the services of local the target twin" in held["remedy"]


async def test_without_a_bus_the_target_is_still_looked_at(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "concierge.toml").write_text(
        (tmp_path / "concierge.toml").read_text().replace('["sleep", "3600"]', '["no-such-program"]')
    )
    said = await desk.say("doctor")
    assert said.code == 3
    assert "BAD   bus: no bus" in said.out
    assert "no program no-such-program\n      → install it" in said.out
