"""What is said, what is never said, and how answers are read."""

import math
import time

import msgspec
import pytest

from concierge_backends.zabbix import packets
from concierge_proto import errors, messages

NOW = 1_700_000_000


def snapshot(*blocks: messages.Block, time_ns: int = NOW * 10**9 + 5) -> messages.Snapshot:
    return messages.Snapshot(service="web", instance="web-1", time_ns=time_ns, seq=1, boot="b", blocks=blocks)


def gauge(*values: messages.Value | None) -> messages.Block:
    names = tuple(f"g{number}" for number in range(len(values)))
    return messages.Block(kind="gauge", fields=("value",), names=names, values=values)


def test_every_value_of_a_snapshot_has_its_one_time() -> None:
    timer = messages.Block(
        kind="timer", fields=("count", "p95"), names=("a", "b"), values=(1, 0.5, None, 2.5)
    )
    found, refused = packets.rows("web-1", snapshot(timer, gauge(3)))
    assert not refused
    assert [(row.key, row.value) for row in found] == [
        ("timer[a,count]", "1"),
        ("timer[a,p95]", "0.5"),
        ("timer[b,p95]", "2.5"),
        ("gauge[g0,value]", "3"),
    ]
    assert {(row.host, row.clock, row.ns) for row in found} == {("web-1", NOW, 5)}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_sent_but_counted(value: float) -> None:
    found, refused = packets.rows("h", snapshot(gauge(1, value)))
    assert len(found) == 1
    assert refused == {"not a finite number": 1}


def test_text_is_sent_for_items_alone() -> None:
    item = messages.Block(kind="item", fields=("value",), names=("app.version",), values=("1.2",))
    found, refused = packets.rows("h", snapshot(item, gauge("off")))
    assert [(row.key, row.value) for row in found] == [("app.version", "1.2")]
    assert refused == {"text where a number belongs": 1}


def test_a_name_that_can_be_no_key_is_counted() -> None:
    block = messages.Block(kind="gauge", fields=("value",), names=("a,b\\",), values=(1,))
    assert packets.rows("h", snapshot(block)) == ([], {"a name that Zabbix cannot quote": 1})


@pytest.mark.parametrize(
    ("clock", "good"), [(0, False), (-1, False), (NOW, True), (NOW + 3600, True), (NOW + 3602, False)]
)
def test_absurd_times_are_not_sendable(clock: int, good: bool) -> None:
    assert packets.sendable(clock * 10**9, NOW) is good


def test_a_packet_reads_as_zabbix_sender_writes_it() -> None:
    row = packets.row("h", "k", 1.5, NOW * 10**9 + 7)
    assert packets.values([row]) == (
        b'{"request":"sender data","data":[{"host":"h","key":"k","value":"1.5","clock":1700000000,"ns":7}]}'
    )


def test_metadata_tells_the_service_apart() -> None:
    assert (
        packets.metadata(service="web", courier="0.1 beta", boot="")
        == "concierge service=web courier=0.1_beta"
    )
    assert len(packets.metadata(service="web", boot="b" * 400)) == packets.METADATA_LIMIT


def test_a_registration_is_an_agents_request() -> None:
    assert msgspec.json.decode(packets.registration("h", "m")) == {
        "request": "active checks",
        "host": "h",
        "host_metadata": "m",
    }


def test_processed_values_are_counted() -> None:
    reply = packets.answer(
        b'{"response":"success","info":"processed: 3; failed: 1; total: 4; seconds spent: 0.1"}'
    )
    assert packets.processed(reply) == 3


@pytest.mark.parametrize("info", ["data collection has been paused", "Zabbix server shutdown in progress"])
def test_a_paused_server_is_asked_again(info: str) -> None:
    with pytest.raises(errors.Temporary, match="takes no values now"):
        packets.answer(msgspec.json.encode({"response": "failed", "info": info}))


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{"])
def test_what_is_no_answer_is_asked_again(body: bytes) -> None:
    with pytest.raises(errors.Temporary, match="something else"):
        packets.answer(body)


def test_an_odd_count_is_asked_again() -> None:
    with pytest.raises(errors.Temporary, match="did not say"):
        packets.processed({"response": "success", "info": "all fine"})


def test_a_refusal_is_for_good() -> None:
    with pytest.raises(errors.Permanent, match="not allowed"):
        packets.processed({"response": "failed", "info": "connection not allowed"})


def test_a_redirect_is_seen() -> None:
    reply = {"response": "failed", "redirect": {"revision": 1, "address": "10.0.0.2:10051"}}
    assert packets.redirect(reply) == packets.Redirect("10.0.0.2:10051")
    assert packets.redirect({"response": "failed", "redirect": {"revision": 1, "reset": True}}) == ("",)
    assert packets.redirect({"response": "success"}) is None


def test_the_largest_snapshot_becomes_rows_in_no_time() -> None:
    names = tuple(f"com.example.metric.{number}" for number in range(3400))
    fields = tuple(f"f{number}" for number in range(10))
    block = messages.Block(kind="timer", fields=fields, names=names, values=(1.5,) * 34_000)
    began = time.process_time()
    found, _ = packets.rows("h", snapshot(block))
    packets.values(found)
    assert len(found) == 34_000
    assert time.process_time() - began < 1.0
