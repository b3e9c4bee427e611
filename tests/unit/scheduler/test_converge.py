"""A change is only begun by the holder, and judged by what is read."""

import asyncio
from typing import Any, cast

import pytest

from concierge_proto import bus, errors, messages
from concierge_scheduler import converge, presence, state, stillness, survey
from concierge_scheduler.targets import memory
from tests.unit.scheduler import hands

RULES = {"heard": False, "settle": 0.0, "converge": 0.3}


class Held:
    """A lease that can be taken away."""

    held = True
    revision = 7


class Broken(memory.Memory):
    """Every call ends with this; it may have an effect all the same."""

    def __init__(self, error: errors.ConciergeError, effect: int | None = None) -> None:
        super().__init__("shop", {"web": hands.policy()})
        self.counts["web"] = 1
        self.error = error
        self.effect = effect

    async def scale(self, service: str, count: int, intent: str) -> None:
        self.calls.append(memory.Call(service, count, intent))
        if self.effect is not None:
            self.counts[service] = self.effect
        raise self.error


def place(target: memory.Memory, lease: Held | None = None) -> converge.Place:
    held = cast("bus.Lease", lease or Held())
    return converge.Place(target, survey.Survey(target), presence.Presence(), held, lambda: hands.NOW)


def change(**facts: Any) -> state.Change:
    told = {"id": "c", "correlation_id": "i", "before": 1, "wanted": 2, "names": ("web-1",), "lease": 7}
    times = {"started_at": hands.at(-5), "expires_at": hands.at(1)}
    return state.Change(**{**told, **times, **facts})


async def run(
    target: memory.Memory, *, resumed: bool = False, lease: Held | None = None, **facts: Any
) -> messages.Outcome:
    act = converge.Convergence(place(target, lease), "web", hands.policy(**RULES), change(**facts))
    return (await act.run(resumed=resumed)).outcome


def good() -> memory.Memory:
    target = memory.Memory("shop", {"web": hands.policy()})
    target.counts["web"] = 1
    return target


async def test_out() -> None:
    outcome = await run(good())
    assert (outcome.result, outcome.after, outcome.added, outcome.lease) == ("converged", 2, ("web-2",), 7)
    assert outcome.started_at == hands.NOW


async def test_without_the_lease_nobody_is_called() -> None:
    target, lease = good(), Held()
    lease.held = False
    with pytest.raises(converge.LeaseLost):
        await run(target, lease=lease)
    assert target.calls == []


async def test_what_was_resumed_and_is_done_is_not_done_again() -> None:
    target = good()
    target.counts["web"] = 2
    outcome = await run(target, resumed=True)
    assert target.calls == []
    assert (outcome.result, outcome.started_at) == ("converged", hands.at(-5))
    assert outcome.duration_ms >= 5000


async def test_what_was_resumed_and_is_not_done_is_done() -> None:
    target = good()
    assert (await run(target, resumed=True)).result == "converged"
    assert len(target.calls) == 1


@pytest.mark.parametrize(
    ("error", "effect", "result", "calls"),
    [
        (errors.Permanent("image missing"), None, "failed", 1),
        (errors.Permanent("conflict, but done"), 2, "converged", 1),
        (errors.Temporary("slow, but done", 0.01), 2, "converged", 1),
        (errors.Temporary("away", 60), None, "failed", 1),
        (errors.Permanent("cut off half way"), 3, "failed", 1),
    ],
)
async def test_the_read_judges(
    error: errors.ConciergeError, effect: int | None, result: str, calls: int
) -> None:
    target = Broken(error, effect)
    outcome = await run(target)
    assert (outcome.result, len(target.calls)) == (result, calls)
    assert outcome.after == (effect or 1)
    assert outcome.detail == (str(error) if result == "failed" else "")


async def test_a_call_that_never_returns_is_given_up() -> None:
    target = good()
    target.delay = 60.0
    async with asyncio.timeout(5):
        outcome = await run(target, expires_at=hands.NOW)
    assert (outcome.result, outcome.detail) == ("failed", "no answer within 0.3 s")


async def test_a_rollout_that_goes_on_is_no_convergence() -> None:
    target = good()
    target.changing.add("web")
    outcome = await run(target)
    assert (outcome.result, outcome.after) == ("timed_out", 2)


async def test_a_target_that_goes_away_after_the_call_is_said() -> None:
    target = Gone("shop", {"web": hands.policy()})
    outcome = await run(target)
    assert (outcome.result, outcome.detail) == (
        "timed_out",
        "the target could not be read, or the service is gone",
    )
    assert outcome.after == 1


class Raced(memory.Memory):
    """The first calls end as a race between two clients does: at a number that neither asked for."""

    def __init__(self, races: int, ends: int = 3) -> None:
        super().__init__("shop", {"web": hands.policy()})
        self.counts["web"] = 1
        self.races = races
        self.ends = ends

    async def scale(self, service: str, count: int, intent: str) -> None:
        await super().scale(service, count, intent)
        if self.races:
            self.races -= 1
            self.counts[service] = self.ends
            del self.intents[service]  # compose keeps none


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stillness, "QUIET", 0.01)
    monkeypatch.setitem(RULES, "converge", 3.0)


@pytest.mark.usefixtures("hurried")
class TestAgain:
    @pytest.mark.parametrize("races", [1, 2])
    async def test_a_race_is_mended_with_the_same_number_and_intent(self, races: int) -> None:
        target = Raced(races)
        outcome = await run(target)
        assert (outcome.result, outcome.after) == ("converged", 2)
        assert target.calls == [memory.Call("web", 2, "c")] * (races + 1)

    async def test_it_has_an_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(RULES, "converge", 2.0)
        target = Raced(100)
        outcome = await run(target)
        assert (outcome.result, outcome.after) == ("timed_out", 3)
        assert len(target.calls) == 1 + stillness.CALLS

    async def test_not_when_the_command_is_dead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(RULES, "converge", 0.3)
        target = Raced(100)
        await run(target, expires_at=hands.NOW)
        assert len(target.calls) == 1

    async def test_not_without_the_lease(self) -> None:
        target, lease = Losing(), Held()
        target.lease = lease
        with pytest.raises(converge.LeaseLost):
            await run(target, lease=lease)
        assert len(target.calls) == 1

    async def test_trouble_with_it_is_no_failure_yet(self) -> None:
        target = Stumbling(1)
        assert (await run(target)).result == "converged"
        assert len(target.calls) == 3


class Losing(Raced):
    """Loses its lease during the first call."""

    lease: Held

    def __init__(self) -> None:
        super().__init__(1)

    async def scale(self, service: str, count: int, intent: str) -> None:
        await super().scale(service, count, intent)
        self.lease.held = False


class Stumbling(Raced):
    """Refuses the second call."""

    async def scale(self, service: str, count: int, intent: str) -> None:
        if len(self.calls) == 1:
            self.calls.append(memory.Call(service, count, intent))
            raise errors.Temporary("busy")
        await super().scale(service, count, intent)


async def test_what_was_resumed_and_undone_by_somebody_else_is_not_fought_over() -> None:
    target = good()
    target.counts["web"], target.intents["web"] = 4, "c"
    outcome = await run(target, resumed=True)
    assert target.calls == []
    assert (outcome.result, outcome.after) == ("timed_out", 4)


class Gone(memory.Memory):
    """Is not there any more once it was called."""

    async def scale(self, service: str, count: int, intent: str) -> None:
        self.failing = errors.Temporary("engine away")
