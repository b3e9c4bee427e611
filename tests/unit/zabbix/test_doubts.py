"""Rules that are said again, and those that are not."""

from concierge_backends.zabbix import doubts, packets

GAUGE, TIMER = (
    packets.row("one", f"concierge.discovery[{kind}]", "[]", 10**18) for kind in ("gauge", "timer")
)


def told(*rows: packets.Row) -> doubts.Doubts:
    found = doubts.Doubts()
    found.taken(rows, 100.0)
    return found


def test_a_rule_whose_values_wait_is_said_again_ever_more_seldom_and_then_no_more() -> None:
    found, waiting = told(GAUGE, TIMER), {"gauge[load,value]": 1, "container.state": 2}
    said = [now for now in range(100, 400) if found.due(waiting, now) == [GAUGE]]
    assert said == [103, 112, 139, 220]
    assert not found.said


def test_one_that_made_an_item_is_not() -> None:
    found = told(GAUGE, TIMER)
    found.heeded(["gauge[load,value]", "courier.elapsed"])
    assert found.due(["gauge[queue,value]", "timer[a,p95]"], 104.0) == [TIMER]


def test_nor_one_for_which_nothing_waits() -> None:
    found = told(GAUGE)
    assert found.due(["timer[a,p95]"], 104.0) == []
    assert not found.said


def test_a_later_discovery_begins_anew() -> None:
    found = told(GAUGE)
    assert found.due(["gauge[a,value]"], 104.0)
    found.taken([GAUGE], 200.0)
    assert found.due(["gauge[a,value]"], 202.0) == []
    assert found.due(["gauge[a,value]"], 203.0) == [GAUGE]
    found.taken([], 203.0)  # states are no rules
    assert found.due(["gauge[a,value]"], 212.0) == [GAUGE]
