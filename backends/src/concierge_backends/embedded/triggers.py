"""Thresholds over aggregates: when a problem opens, steps on, and closes. Pure."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from concierge_backends import aggregate, port
from concierge_proto import metric, settings


class Problem(NamedTuple):
    """A threshold's problem while it is open."""

    event_id: str
    started_ns: int
    stepped_ns: int
    """When it last said what to do."""
    value: float
    """The last one measured."""


class State(NamedTuple):
    """What a threshold remembers."""

    since_ns: int | None = None
    """Since when the threshold is passed without a break; None: it is not."""
    problem: Problem | None = None


class Change(NamedTuple):
    """What is to be told."""

    status: Literal["problem", "resolved"]
    problem: Problem


def measure(threshold: settings.Threshold, aggregates: port.Aggregates) -> float | None:
    """Return the value that the threshold looks at; None when no fresh instance has it."""
    if threshold.metric in aggregate.COUNTS:
        return float(getattr(aggregates, threshold.metric))
    wanted = metric.parse(threshold.metric)
    found = next((one for one in aggregates.metrics if one.metric == wanted), None)
    return None if found is None else float(getattr(found, threshold.of))


def evaluate(
    threshold: settings.Threshold,
    state: State,
    aggregates: port.Aggregates,
    new_id: Callable[[], str],
) -> tuple[State, Change | None]:
    """Look once: return what to remember, and what to tell.

        quiet ──passed for `for`──▶ open ──every `repeat_every`──▶ open ──beyond `recovers`──▶ quiet

    Without data nothing is decided: a wait starts again, an open problem stays and takes no step.
    """
    value, now = measure(threshold, aggregates), aggregates.time_ns
    if value is None:
        return State(None, state.problem), None
    if state.problem is None:
        return _quiet(threshold, state, value, now, new_id)
    return _open(threshold, state.problem._replace(value=value), now)


def _quiet(
    threshold: settings.Threshold,
    state: State,
    value: float,
    now: int,
    new_id: Callable[[], str],
) -> tuple[State, Change | None]:
    if not passed(threshold, value):
        return State(), None
    since = now if state.since_ns is None else state.since_ns
    if now - since < _ns(threshold.for_):
        return State(since), None
    problem = Problem(new_id(), now, now, value)
    return State(since, problem), Change("problem", problem)


def _open(threshold: settings.Threshold, problem: Problem, now: int) -> tuple[State, Change | None]:
    if recovered(threshold, problem.value):
        return State(), Change("resolved", problem)
    every = _ns(threshold.repeat_every)
    if not every or now - problem.stepped_ns < every:
        return State(problem.started_ns, problem), None
    problem = problem._replace(stepped_ns=now)
    return State(problem.started_ns, problem), Change("problem", problem)


def passed(threshold: settings.Threshold, value: float) -> bool:
    """Return whether the value is above `above`, or below `below`."""
    if threshold.above is not None:
        return value > threshold.above
    return threshold.below is not None and value < threshold.below


def recovered(threshold: settings.Threshold, value: float) -> bool:
    """Return whether an open problem closes at this value."""
    if threshold.recovers is None:
        return not passed(threshold, value)
    return value < threshold.recovers if threshold.above is not None else value > threshold.recovers


def _ns(seconds: float) -> int:
    return int(seconds * aggregate.NANOSECONDS)
