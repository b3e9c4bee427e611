"""Folding: each command once, the stronger wish leads, what closes a problem removes its wishes."""

import msgspec
import pytest

from concierge_scheduler import fold, state, turn
from tests.unit.scheduler.hands import NOW, at, blank, command, policy, said, taken


def leader(found: state.State) -> str | None:
    leading = fold.leading(found)
    return leading.id if leading else None


def test_the_same_command_twice_is_one_wish() -> None:
    found = turn.take(policy(), taken(command()), command(), NOW)
    assert len(found.wishes) == 1
    assert said(found) == [("scale_out-1", "nothing", "already_applied")]


def test_an_id_is_known_until_its_expiry_and_then_the_command_is_expired() -> None:
    found = turn.take(policy(), taken(command()), command(), at(301))
    assert found.wishes == ()
    assert ("scale_out-1", "refuse", "expired") in said(found)


@pytest.mark.parametrize(
    ("first", "second", "leads"),
    [
        (command("scale_in"), command("scale_out"), "scale_out-1"),
        (command("scale_out"), command("scale_in"), "scale_out-1"),
        (command("scale_out", 1), command("scale_out", 3), "scale_out-3"),
        (command("scale_out", 3), command("scale_out", 1), "scale_out-3"),
        (command("scale_in", 1), command("scale_in", 2), "scale_in-1"),
        (command("scale_to", 4), command("scale_out", 1), "scale_to-4"),
        (command("scale_to", 1), command("scale_out", 1), "scale_out-1"),
        (command("scale_out", 5), command("scale_in", 1, manual=True, problem=""), "scale_in-1"),
        (command("scale_in", 1, manual=True, problem=""), command("scale_out", 5), "scale_in-1"),
        (command(id="short", expires_at=at(60)), command(id="long"), "long"),
    ],
)
def test_which_wish_leads(first: object, second: object, leads: str) -> None:
    assert leader(taken(first, second)) == leads  # type: ignore[arg-type]


def test_an_operator_replaces_what_the_operator_said_before() -> None:
    first = command("scale_to", 4, manual=True, problem="")
    found = turn.take(policy(), taken(first), command("scale_to", 1, manual=True, problem=""), NOW)
    assert leader(found) == "scale_to-1"
    assert said(found) == [("scale_to-4", "refuse", "superseded")]


class TestRelease:
    release = command("release", 0, id="release")

    def test_removes_the_problem_and_its_wishes_both_ways(self) -> None:
        found = turn.take(policy(), taken(command("scale_out"), command("scale_in")), self.release, NOW)
        assert found.wishes == ()
        assert found.open == {}
        assert said(found) == [
            ("scale_out-1", "refuse", "resolved"),
            ("scale_in-1", "refuse", "resolved"),
            ("release", "nothing", "released"),
        ]

    def test_lets_another_problem_s_wish_take_its_place(self) -> None:
        other = command(id="other", problem="zabbix/2", amount=1)
        found = turn.take(policy(), taken(command(amount=2), other), self.release, NOW)
        assert leader(found) == "other"

    def test_before_its_problem_makes_the_problem_harmless(self) -> None:
        found = turn.take(policy(), taken(self.release), command(), NOW)
        assert found.wishes == ()
        assert said(found) == [("scale_out-1", "refuse", "resolved")]

    def test_is_never_too_late(self) -> None:
        found = turn.take(policy(), taken(command(expires_at=at(900))), self.release, at(400))
        assert found.wishes == ()

    def test_leaves_a_manual_wish_of_the_same_problem(self) -> None:
        assert leader(taken(command(manual=True), self.release)) == "scale_out-1"

    def test_keeps_a_closed_problem_for_a_day(self) -> None:
        found = taken(self.release)
        assert turn.forget(found, at(86_000)).closed
        assert not turn.forget(found, at(86_500)).closed


class TestHold:
    hold = command(
        "hold", 0, id="hold", arguments={"direction": "in", "until": "2026-05-04T04:00:00Z"}, owner="ann"
    )

    def test_has_direction_owner_and_end(self) -> None:
        assert taken(self.hold).hold == state.Hold(direction="in", until=at(3600), owner="ann")

    def test_is_an_event_of_its_own(self) -> None:
        found = turn.take(policy(), blank(), self.hold, NOW)
        assert [letter.kind for letter in found.unsaid] == ["decision", "control"]

    def test_is_lifted(self) -> None:
        found = taken(self.hold, command("lift", 0, id="lift"))
        assert (found.hold, found.drift) == (None, None)

    def test_says_which_hold_it_replaces_and_which_one_ends(self) -> None:
        lift = command("lift", 0, id="lift")
        again = turn.take(policy(), taken(self.hold), msgspec.structs.replace(self.hold, id="again"), NOW)
        assert "; replaces: in held by ann until" in str(bytes(again.unsaid[0].body))
        ended = turn.take(policy(), taken(self.hold), lift, NOW)
        assert "in held by ann until" in str(bytes(ended.unsaid[0].body))
        assert "nothing was held" in str(bytes(turn.take(policy(), blank(), lift, NOW).unsaid[0].body))

    def test_ends_by_itself(self) -> None:
        assert turn.forget(taken(self.hold), at(3600)).hold is None


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (command("scale_out", 0), "malformed"),
        (command("scale_in", -1), "malformed"),
        (command("scale_to", -1), "malformed"),
        (command("hold", 0, arguments={"direction": "up", "until": "2026-05-04T04:00:00Z"}), "malformed"),
        (command("hold", 0), "malformed"),
        (command("hold", 0, arguments={"until": "2026-05-04T04:00:00"}), "malformed"),
        (command("resize", 0), "malformed"),
    ],
)
def test_what_makes_no_sense_is_refused(odd: object, reason: str) -> None:
    found = turn.take(policy(), blank(), odd, NOW)  # type: ignore[arg-type]
    assert said(found) == [(odd.id, "refuse", reason)]  # type: ignore[attr-defined]
    assert found.wishes == ()


def test_no_more_than_sixteen_wait_and_the_strongest_stay() -> None:
    found = taken(*(command(id=f"c{n}", amount=n, problem=f"zabbix/{n}") for n in range(1, 21)))
    assert len(found.wishes) == 16
    assert {wish.command.amount for wish in found.wishes} == set(range(5, 21))


def test_the_document_survives_being_written_and_read() -> None:
    found = turn.take(policy(), taken(command(), TestHold.hold), command("scale_in"), NOW)
    assert state.load(state.dump(found), "web") == found


def test_a_newer_schema_is_not_guessed_at() -> None:
    with pytest.raises(Exception, match="schema 2"):
        state.load(b'{"schema": 2, "service": "web"}', "web")
