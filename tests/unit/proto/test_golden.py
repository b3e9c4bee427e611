"""The contract v1, byte by byte: a subscriber in any language has read these."""

import inspect
from pathlib import Path

import msgspec
import pytest

from concierge_proto import codec, errors, messages
from tests.unit import golden
from tests.unit.proto import samples

HERE = Path(__file__).parent / "golden"
PARTS = {messages.Block, messages.Gate, messages.Labelled, messages.Refused, messages.SourceReport}


def name(message: msgspec.Struct) -> str:
    return type(message).__name__


@pytest.mark.parametrize("message", samples.ALL, ids=name)
def test_the_bytes_of_a_message_do_not_change(message: msgspec.Struct) -> None:
    body, encoding = codec.encode(message)
    assert golden.pinned(HERE / f"{name(message)}.{encoding}", body) == body


@pytest.mark.parametrize("message", samples.ALL, ids=name)
def test_what_was_written_once_can_be_read(message: msgspec.Struct) -> None:
    (file,) = HERE.glob(f"{name(message)}.*")
    assert codec.decode(type(message), file.read_bytes(), file.suffix[1:]) == message


@pytest.mark.parametrize("message", samples.ALL, ids=name)
def test_an_old_reader_ignores_a_new_field(message: msgspec.Struct) -> None:
    newer = {**msgspec.to_builtins(message), "invented": {"later": 1}}
    body = msgspec.msgpack.encode(newer) if name(message) == "Snapshot" else msgspec.json.encode(newer)
    assert codec.decode(type(message), body, codec.encode(message)[1]) == message


def test_every_message_has_a_sample_with_every_field_set() -> None:
    words = {getattr(messages, word) for word in messages.__all__}
    kinds = {word for word in words if inspect.isclass(word) and issubclass(word, msgspec.Struct)}
    assert {type(sample) for sample in samples.ALL} == kinds - PARTS
    for sample in samples.ALL:
        unset = [field.name for field in msgspec.structs.fields(sample) if not getattr(sample, field.name)]
        assert set(unset) <= {"state"}, name(sample)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(errors.Malformed, match=r"Command: .*missing required field `id`"):
        codec.decode(messages.Command, b"{}")


def test_the_key_of_a_problem_and_the_id_of_a_snapshot() -> None:
    snapshot, trigger = samples.ALL[0], samples.ALL[6]
    assert isinstance(snapshot, messages.Snapshot)
    assert isinstance(trigger, messages.Trigger)
    assert (snapshot.id, snapshot.total) == ("web-1-b0-7", 4)
    assert trigger.problem == "zabbix/4711"
