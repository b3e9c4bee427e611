"""Hypothesis strategies: any message, and what may be a name."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from concierge_proto import messages
from tests.unit.proto import samples

WORDS = st.text(max_size=40)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
INSTANCES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", fullmatch=True)
TIMES = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
NUMBERS = st.integers(-(2**63), 2**64 - 1)
"""What both encodings hold."""
FLOATS = st.floats(allow_nan=False, allow_infinity=False)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: WORDS,
    int: NUMBERS,
    float: FLOATS,
    bool: st.booleans(),
    bytes: st.binary(max_size=60),
    datetime: TIMES,
}


@st.composite
def blocks(draw: st.DrawFn) -> messages.Block:
    fields = draw(st.lists(WORDS, max_size=4).map(tuple))
    names = draw(st.lists(WORDS, max_size=6).map(tuple))
    cells = len(fields) * len(names)
    value = st.none() | NUMBERS | FLOATS | WORDS
    values = draw(st.lists(value, min_size=cells, max_size=cells).map(tuple))
    return messages.Block(kind=draw(WORDS), fields=fields, names=names, values=values, source=draw(WORDS))


def struct(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Any message of that kind."""
    if kind is messages.Block:
        return blocks()
    return st.builds(kind, **{field.name: _of(field.type) for field in msgspec.structs.fields(kind)})


def _of(kind: Any) -> st.SearchStrategy[Any]:
    shape = msgspec.inspect.type_info(kind)
    match shape:
        case msgspec.inspect.StructType():
            return struct(shape.cls)
        case msgspec.inspect.LiteralType():
            return st.sampled_from(shape.values)
        case msgspec.inspect.UnionType():
            return st.none() | _of(next(arm for arm in kind.__args__ if arm is not type(None)))
        case msgspec.inspect.VarTupleType():
            return st.lists(_of(kind.__args__[0]), max_size=4).map(tuple)
        case msgspec.inspect.DictType():
            return st.dictionaries(WORDS, _of(kind.__args__[1]), max_size=4)
    return _PLAIN[kind]


ANY = st.one_of(*(struct(type(sample)) for sample in samples.ALL))
