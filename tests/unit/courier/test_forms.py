"""Which form a document has, Dropwizard's health checks, and both ages of Spring Boot."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_courier.sources import dropwizard, forms, healthchecks, port, spring
from concierge_proto import errors
from tests.unit.courier import pages

DROPWIZARD = Path(__file__).with_name("dropwizard4.json").read_bytes()
HEALTH = b"""{
  "database": {"healthy": false, "message": "no answer", "error": {"stack": ["x"]}, "duration": 3},
  "deadlocks": {"healthy": true, "duration": 0, "timestamp": "2026-01-01T00:00:00Z"}
}"""
BOOT_1 = b'{"mem": 512, "counter.status.200.root": 5, "gauge.response.root": 1.5, "systemload.average": -1.0}'
BOOT_3 = b"""# HELP jvm_memory_used_bytes The amount of used memory
# TYPE jvm_memory_used_bytes gauge
jvm_memory_used_bytes{application="shop",area="heap",id="G1 Old Gen",} 5.2E7
# TYPE http_server_requests_seconds summary
http_server_requests_seconds_count{method="GET",status="200",uri="/",} 3.0
http_server_requests_seconds_sum{method="GET",status="200",uri="/",} 0.25
"""


def read(body: bytes) -> port.Reading:
    return forms.Decoder().decode(body, "any")


def test_each_form_is_recognised() -> None:
    assert read(DROPWIZARD) == dropwizard.decode(DROPWIZARD, "any")
    assert pages.cells(read(HEALTH))["health[database,value]"] == 0
    assert pages.cells(read(b'{"queue": {"size": 5}}')) == {"gauge[queue.size,value]": 5}
    assert pages.cells(read(b"[5]")) == {"gauge[0,value]": 5}
    assert pages.cells(read(b"queue_size 5\n")) == {"gauge[queue_size,value]": 5}
    assert pages.cells(read(b'{"queue.size"} 5\n')) == {'gauge[{"queue.size"},value]': 5}
    assert pages.cells(read(b'\xef\xbb\xbf {"a": 1}')) == {"gauge[a,value]": 1}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"a":', "not JSON"),
        (b"[1,", "not JSON"),
        (b"<html>", "no Prometheus text"),
        (b"\x00\xff", "no Prom"),
    ],
)
def test_what_has_no_form_is_refused_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(errors.Temporary, match=sentence):
        read(body)


@given(st.binary() | st.text('{}[]",:1a \n').map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for decode in (read, healthchecks.decode, spring.Decoder().decode):
        try:
            decode(body)
        except errors.Temporary as error:
            assert str(error)  # noqa: PT017 - either end is right


def test_health_checks_are_one_or_zero_and_say_why() -> None:
    reading = healthchecks.decode(HEALTH, "app")
    assert pages.cells(reading) == {
        "health[database,value]": 0,
        "health[database,message]": "no answer",
        "health[deadlocks,value]": 1,
    }
    assert reading.blocks[0].source == "app"


def test_an_application_without_health_checks_is_empty() -> None:
    assert healthchecks.decode(b"{}") == port.Reading(())


@pytest.mark.parametrize(
    "body", [b"[]", b'{"a": 1}', b'{"a": {"healthy": "yes"}}', b'{"status": "UP"}', b"no"]
)
def test_other_results_are_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(errors.Temporary, match=r"no health checks|not JSON"):
        healthchecks.decode(body)


def test_spring_boot_3() -> None:
    assert pages.cells(spring.Decoder().decode(BOOT_3)) == {
        'gauge[jvm_memory_used_bytes{application="shop",area="heap",id="G1 Old Gen"},value]': 5.2e7,
        'histogram[http_server_requests_seconds{method="GET",status="200",uri="/"},count]': 3,
        'histogram[http_server_requests_seconds{method="GET",status="200",uri="/"},sum]': 0.25,
    }


def test_spring_boot_1() -> None:
    assert pages.cells(spring.Decoder().decode(BOOT_1)) == {
        "gauge[mem,value]": 512,
        "gauge[counter.status.200.root,value]": 5,
        "gauge[gauge.response.root,value]": 1.5,
        "gauge[systemload.average,value]": -1.0,
    }


def test_spring_boots_list_of_names_is_refused_with_the_remedy() -> None:
    with pytest.raises(errors.Temporary, match="/actuator/prometheus"):
        spring.Decoder().decode(b'{"names": ["jvm.memory.used"]}')
