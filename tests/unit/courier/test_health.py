"""Health: how it is judged, when it is not, and what asks."""

import asyncio

import pytest

from concierge_courier import children, health, heartbeat


def rules(check: str = "true", interval: float = 0.01, patience: float = 0.3) -> health.Rules:
    return health.Rules(check, interval, patience, retries=3)


@pytest.fixture
def life() -> heartbeat.Life:
    made = heartbeat.Life("web", "web-1", 10)
    made.begin()
    return made


def test_one_success_passes_and_failures_in_a_row_fail() -> None:
    judge = health.Judge(3)
    heard = [judge.hear(problem) for problem in ("x", "x", "", "x", "x", "x", "x", "")]
    assert heard == ["", "", "passing", "passing", "passing", "failing", "failing", "passing"]


class Checks:
    """Answers what it is told, and says when it was asked."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        return self.problem


async def until(life: heartbeat.Life, verdict: str) -> None:
    async with asyncio.timeout(5):
        while life.health != verdict:
            await asyncio.sleep(0.005)


@pytest.fixture
def checks(life: heartbeat.Life) -> Checks:
    del life
    return Checks()


async def test_it_turns_and_turns_back_and_says_so_once(
    life: heartbeat.Life, checks: Checks, caplog: pytest.LogCaptureFixture
) -> None:
    watching = asyncio.create_task(health.watch(rules(), checks, life))
    await until(life, "passing")
    checks.problem = "no database"
    await until(life, "failing")
    asked = checks.asked
    async with asyncio.timeout(5):
        while checks.asked < asked + 5:
            await asyncio.sleep(0.005)
    checks.problem = ""
    await until(life, "passing")
    watching.cancel()
    assert caplog.text.count("health: no database") == 1
    assert caplog.text.count("health: fine again") == 1


async def test_in_maintenance_nothing_is_judged(life: heartbeat.Life) -> None:
    checks = Checks("broken")
    watching = asyncio.create_task(health.watch(rules(), checks, life))
    await until(life, "failing")
    life.maintain(on=True)
    assert life.health == ""
    await asyncio.sleep(0.05)
    asked = checks.asked
    await asyncio.sleep(0.05)  # five intervals
    assert checks.asked == asked
    assert life.health == ""
    life.maintain(on=False)
    await until(life, "failing")
    assert checks.asked >= asked + 3  # anew
    watching.cancel()


async def test_one_that_has_ended_is_not_judged(life: heartbeat.Life, checks: Checks) -> None:
    watching = asyncio.create_task(health.watch(rules(), checks, life))
    await until(life, "passing")
    life.end("exited", 1)
    assert life.health == ""
    await asyncio.sleep(0.05)
    assert life.health == ""
    life.begin()
    await until(life, "passing")
    watching.cancel()


class TestACommand:
    @pytest.fixture
    def family(self) -> children.Children:
        return children.Children(orphans=False)

    @pytest.mark.parametrize(
        ("command", "problem"),
        [
            ("true", ""),
            ("sh -c 'exit 3'", "sh exited with 3"),
            ("sh -c 'kill -9 $$'", "sh was ended by SIGKILL"),
            ("sleep 60", "sleep: no end within 0.3 s"),
            ("no-such-program", "no-such-program: command not found"),
        ],
    )
    async def test_is_asked(self, family: children.Children, command: str, problem: str) -> None:
        with family.reaping():
            assert await health.check(rules(command), family)() == problem
