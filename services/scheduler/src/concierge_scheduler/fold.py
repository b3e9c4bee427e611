"""Taking a command in: it becomes a wish in the service's state, or is refused. Pure: no clock, no I/O.

One slot is pending. Several wishes may stand in it, and one leads: the manual one, else that with the larger
result (so up beats down), else the one that lives longest. When the leader acts, it has acted for the others;
when its problem closes, the next one leads. What changes no number (restart, signal, resize) waits beside it, in
the order in which it came.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from concierge_proto import messages
from concierge_scheduler import deeds
from concierge_scheduler import state as document
from concierge_scheduler.state import State

WISHES = 16
"""More than this don't wait; the weakest goes."""

_change = msgspec.structs.replace


def fold(state: State, command: messages.Command) -> State:
    """Return the state with the command taken in; the same command again changes no wish."""
    if command.id in state.applied:
        return _note(state, command, "already_applied")
    state = _change(state, applied={**state.applied, command.id: command.expires_at})
    complaint = _complaint(command)
    if complaint:
        return refuse(state, command, *complaint)
    return _FOLDS[command.verb](state, command)


def refuse(state: State, command: messages.Command, reason: str, detail: str = "") -> State:
    """Return the state with the command done with, and no longer among the wishes."""
    wishes = tuple(wish for wish in state.wishes if wish.command.id != command.id)
    errands = tuple(wish for wish in state.errands if wish.command.id != command.id)
    return _note(_change(state, wishes=wishes, errands=errands), command, reason, detail)


def leading(state: State) -> messages.Command | None:
    """Return the wish that counts: the manual one, else the largest result, else the one that lives longest."""
    wishes = [wish.command for wish in state.wishes]
    return max(wishes, key=lambda command: _rank(state, command), default=None)


def result(command: messages.Command, count: int) -> int:
    """Return the number of instances that the command asks for, seen from `count`."""
    if command.verb == "scale_to":
        return command.amount
    return max(0, count + (command.amount if command.verb == "scale_out" else -command.amount))


def _note(state: State, command: messages.Command, reason: str, detail: str = "") -> State:
    refusal = document.Refusal(command=command, reason=reason, detail=detail)
    return _change(state, refused=(*state.refused, refusal))


def _rank(state: State, command: messages.Command) -> tuple[bool, int, datetime]:
    return command.manual, result(command, state.count or 0), command.expires_at


def _complaint(command: messages.Command) -> tuple[str, str] | None:
    if command.verb not in _FOLDS:
        return "unsupported", f"{command.verb} is not built yet"
    if command.verb in {"scale_out", "scale_in"} and command.amount < 1:
        return "malformed", f"{command.verb} {command.amount}: the step must be 1 or more"
    if command.amount < 0:
        return "malformed", f"{command.verb} {command.amount}: less than nothing"
    if command.verb == "hold" and _hold(command) is None:
        return "malformed", "hold: give `direction` (in, out, both) and `until` (RFC 3339, with a time zone)"
    said = deeds.complaint(command)
    return ("malformed", said) if said else None


def _fold_scale(state: State, command: messages.Command) -> State:
    if command.problem in state.closed:
        return refuse(state, command, "resolved", f"problem {command.problem} closed before this came")
    state = _open(state, command)
    for earlier in [wish.command for wish in state.wishes if wish.command.manual and command.manual]:
        state = refuse(state, earlier, "superseded", f"the operator's later {command.id} replaces it")
    state = _change(state, wishes=(*state.wishes, document.Wish(command=command)))
    if len(state.wishes) > WISHES:
        weakest = min((wish.command for wish in state.wishes), key=lambda one: _rank(state, one))
        state = refuse(state, weakest, "superseded", f"more than {WISHES} wait")
    return state


def _fold_errand(state: State, command: messages.Command) -> State:
    if command.problem in state.closed:
        return refuse(state, command, "resolved", f"problem {command.problem} closed before this came")
    state = _open(state, command)
    if len(state.errands) >= WISHES:
        return refuse(state, command, "superseded", f"{WISHES} wait already")
    return _change(state, errands=(*state.errands, document.Wish(command=command)))


def _open(state: State, command: messages.Command) -> State:
    if not command.problem:
        return state
    return _change(state, open={**state.open, command.problem: command.issued_at})


def _fold_release(state: State, command: messages.Command) -> State:
    state = _change(
        state,
        open={key: at for key, at in state.open.items() if key != command.problem},
        closed={**state.closed, command.problem: command.issued_at},
    )
    for wish in (*state.wishes, *state.errands):
        if wish.command.problem == command.problem and not wish.command.manual:
            state = refuse(
                state, wish.command, "resolved", f"problem {command.problem} closed while it waited"
            )
    return refuse(state, command, "released", f"problem {command.problem} closed")


def _fold_hold(state: State, command: messages.Command) -> State:
    hold = _hold(command)
    said = describe(hold) if hold else ""
    before = f"; replaces: {describe(state.hold)}" if state.hold else ""
    return refuse(_change(state, hold=hold), command, "hold_set", said + before)


def _fold_lift(state: State, command: messages.Command) -> State:
    ended = [describe(one) for one in (state.hold, state.drift) if one]
    return refuse(
        _change(state, hold=None, drift=None), command, "hold_lifted", "; ".join(ended) or "nothing was held"
    )


def _hold(command: messages.Command) -> document.Hold | None:
    """Return the hold that the arguments describe, or None where they don't."""
    told = {"direction": "both", **command.arguments, "owner": command.owner, "reason": command.reason}
    try:
        hold = msgspec.convert(told, document.Hold)
    except msgspec.ValidationError:
        return None
    return hold if hold.until.tzinfo else None


def describe(hold: document.Hold) -> str:
    why = f": {hold.reason}" if hold.reason else ""
    return f"{hold.direction} held by {hold.owner or 'nobody named'} until {hold.until:%H:%M:%S %Z}{why}"


_FOLDS: dict[str, Callable[[State, messages.Command], State]] = {
    "scale_out": _fold_scale,
    "scale_in": _fold_scale,
    "scale_to": _fold_scale,
    "restart": _fold_errand,
    "signal": _fold_errand,
    "resize": _fold_errand,
    "release": _fold_release,
    "hold": _fold_hold,
    "lift": _fold_lift,
}
