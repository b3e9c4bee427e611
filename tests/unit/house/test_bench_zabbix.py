"""The figures of `make bench ONLY=zabbix`: what is sent is what they say, and a miss is called one."""

from benchmarks.zabbix_lab import forward, react, values
from concierge_backends.zabbix import packets


def test_every_form_of_a_snapshot_carries_the_same_34_000_values() -> None:
    snapshot = next(values.snapshots("lab", "large"))
    rows, refused = packets.rows("large", snapshot)
    assert (snapshot.total, len(rows), refused.total()) == (forward.TOTAL, forward.TOTAL, 0)
    assert len(values.lines("large", snapshot).splitlines()) == forward.TOTAL
    assert len(values.wires("large", snapshot)) == -(-forward.TOTAL // values.PACKET)


def test_two_snapshots_differ_in_time_and_numbers() -> None:
    fresh = values.snapshots("lab", "large")
    one, two = next(fresh), next(fresh)
    assert one.id != two.id
    assert one.time_ns < two.time_ns
    assert one.blocks[0].values != two.blocks[0].values


def test_a_forwarder_that_is_slower_than_it_may_be_is_a_miss() -> None:
    slow, good = (forward.Turn(seconds, 0.90, 2.0, 6.0, seconds) for seconds in (1.1, 1.0))
    assert not forward.rows([slow])[0].holds
    first, sender, *_ = forward.rows([good])
    assert (first.holds, first.ratio, sender.ratio) == (True, 0.9, 2.0)


def test_reactions_are_judged_by_their_percentiles_and_pairs() -> None:
    quick, rival = react.Reaction(50, 400), react.Reaction(10, 300)
    turns = [(quick, rival)] * 98 + [(react.Reaction(301, 700), rival)] * 2
    p50, p99, runs, *six = react.rows(turns, turns)
    assert (p50.ours, p50.rival, p50.holds) == (50, 10, True)
    assert (p99.ours, p99.holds) == (301, False)
    assert (runs.ratio, runs.holds) == (400 / 300, True)
    assert all(row.holds and not row.reach for row in six)
