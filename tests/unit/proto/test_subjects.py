"""Subjects: what may be a token, and what never gets into one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_proto import errors, subjects
from tests.unit.proto import shapes

PER_INSTANCE = [subjects.snapshot, subjects.discovery, subjects.heartbeat, subjects.receipt, subjects.ping]
EVIL = [
    "", ".", ">", "*", "a.b", "a b", "a>", "*a", "web.>", "web\n", "web\r\n", "\tweb", " web", "web\x00",
    "-web", "wéb", "$SYS", "/web", "web/1", "٣", "web\u202e",
]  # fmt: skip


@pytest.mark.parametrize("build", PER_INSTANCE, ids=lambda build: build.__name__)
@given(shapes.NAMES, shapes.INSTANCES)
def test_a_subject_of_an_instance_comes_apart(build, service: str, instance: str) -> None:  # type: ignore[no-untyped-def]
    subject = build(service, instance)
    assert subject == f"concierge.v1.{build.__name__}.{service}.{instance}"
    assert subjects.parse(subject) == (build.__name__, service, instance)


@given(shapes.NAMES, shapes.NAMES)
def test_a_command_names_its_target_first(target: str, service: str) -> None:
    subject = subjects.command(target, service)
    assert subject == f"concierge.v1.command.{target}.{service}"
    assert subjects.parse(subject) == subjects.Address("command", service, target)


def test_an_event_may_concern_nobody() -> None:
    assert subjects.event("_", "control") == "concierge.v1.event._.control"
    assert subjects.parse("concierge.v1.event.web.trigger") == ("event", "web", "trigger")


@pytest.mark.parametrize("text", [*EVIL, "Web", "web_1", "_", "a" * 64])
def test_no_name_can_reach_another_subject(text: str) -> None:
    for build in (
        subjects.name,
        lambda it: subjects.command(it, "web"),
        lambda it: subjects.command("shop", it),
    ):
        with pytest.raises(errors.Malformed, match=re.escape(repr(text))):
            build(text)
    with pytest.raises(errors.Malformed):
        subjects.snapshot(text, "web-1")


@pytest.mark.parametrize("text", [*EVIL, "_1", "a" * 129])
def test_no_instance_can_reach_another_subject(text: str) -> None:
    for build in PER_INSTANCE:
        with pytest.raises(errors.Malformed, match="instance name"):
            build("web", text)


@given(st.text())
def test_any_name_is_one_token_or_refused(text: str) -> None:
    try:
        subject = subjects.heartbeat(text, text)
    except errors.Malformed:
        return
    assert re.fullmatch(r"concierge\.v1\.heartbeat\.[a-z0-9-]+\.[a-z0-9-]+", subject)


@given(st.text(max_size=200))
def test_any_host_name_makes_an_instance(host: str) -> None:
    assert subjects.instance(subjects.instance_of(host))


@pytest.mark.parametrize(
    ("host", "instance"),
    [
        ("web-1", "web-1"),
        ("f3a9c2.shop.example", "f3a9c2-shop-example"),
        ("..web..1..", "web-1"),
        ("日本", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_the_instance_of_a_host(host: str, instance: str) -> None:
    assert subjects.instance_of(host) == instance


@pytest.mark.parametrize(
    "subject",
    ["", "concierge.v1", "concierge.v1.snapshot.web", "concierge.v2.snapshot.web.1", "else.v1.snapshot.web.1",
     "concierge.v1.snapshot.web.1.more", "$JS.API.STREAM.INFO.EVENTS"],
)  # fmt: skip
def test_a_foreign_subject_is_malformed(subject: str) -> None:
    with pytest.raises(errors.Malformed, match=r"concierge\.v1\.<kind>"):
        subjects.parse(subject)
