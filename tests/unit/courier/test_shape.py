"""What is sent of what was read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_courier import options, shape
from concierge_courier.sources import dropwizard, port
from concierge_proto import errors, messages

TIMERS = messages.Block(
    kind="timer",
    fields=("count", "p95"),
    names=("com.shop.pay", "com.shop.list", "org.jetty[x], y"),
    values=(1, 0.1, 2, None, 3, 0.3),
    source="app",
)
GAUGES = messages.Block(
    kind="gauge", fields=("value",), names=("com.shop.state", "b"), values=("open", 5), source="app"
)
LIMITS = port.Limits(1, 1000)


class Source:
    name = "app"

    def __init__(self, *blocks: messages.Block) -> None:
        self._blocks = blocks

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        return port.Reading(self._blocks, unusable=2)


async def shaped(
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    rename: tuple[tuple[str, str], ...] = (),
    blocks: tuple[messages.Block, ...] = (TIMERS, GAUGES),
) -> port.Reading:
    (source,) = shape.shaped([Source(*blocks)], shape.Shape(include, exclude, rename))
    assert source.name == "app"
    await source.read(LIMITS, lambda: None)
    return await source.read(LIMITS, lambda: None)  # as the first time


def keys(reading: port.Reading) -> dict[str, messages.Value]:
    return {
        shape.key(block.kind, name, field): value
        for block in reading.blocks
        for name, field, value in block.cells()
    }


EVERYTHING = {
    "timer[com.shop.pay,count]": 1,
    "timer[com.shop.pay,p95]": 0.1,
    "timer[com.shop.list,count]": 2,
    "timer[org.jetty[x], y,count]": 3,
    "timer[org.jetty[x], y,p95]": 0.3,
    "gauge[com.shop.state,value]": "open",
    "gauge[b,value]": 5,
}


def test_nothing_to_do_costs_nothing() -> None:
    source = Source(TIMERS)
    assert shape.shaped([source], shape.Shape()) == (source,)


@pytest.mark.parametrize(
    ("include", "exclude", "left"),
    [
        (("*",), (), list(EVERYTHING)),
        (("timer[*,p95]",), (), ["timer[com.shop.pay,p95]", "timer[org.jetty[x], y,p95]"]),
        (("gauge[b,value]", "*.pay,count]"), (), ["timer[com.shop.pay,count]", "gauge[b,value]"]),
        (("timer[*[x],?y,count]",), (), ["timer[org.jetty[x], y,count]"]),
        (("gauge*",), ("*state*",), ["gauge[b,value]"]),
        ((), ("timer[*",), ["gauge[com.shop.state,value]", "gauge[b,value]"]),
        (("timer",), (), []),
        (("Timer*",), (), []),
        (("timer[com.shop.pay.p95]",), (), []),
    ],
)
async def test_chooses(include: tuple[str, ...], exclude: tuple[str, ...], left: list[str]) -> None:
    assert keys(await shaped(include, exclude)) == {key: EVERYTHING[key] for key in left}


async def test_a_column_or_row_that_nobody_wants_is_not_sent_empty() -> None:
    (block,) = (await shaped(("timer[com*,count]",))).blocks
    assert (block.fields, block.names, block.values) == (
        ("count",),
        ("com.shop.pay", "com.shop.list"),
        (1, 2),
    )


async def test_a_metric_that_has_no_value_now_keeps_its_name() -> None:
    (block,) = (await shaped(("timer[com.shop.list,p95]",))).blocks
    assert (block.names, block.values) == (("com.shop.list",), (None,))


async def test_an_item_is_called_by_its_name_alone() -> None:
    item = messages.Block(kind="item", fields=("value",), names=("cpu.load", "uptime"), values=(1, 2))
    assert keys(await shaped(("cpu*",), blocks=(item,))) == {"cpu.load": 1}


async def test_renames_the_beginning_the_first_that_fits() -> None:
    found = await shaped(rename=(("com.shop.", ""), ("com.", "x."), ("org.jetty", "web")))
    assert found.blocks[0].names == ("pay", "list", "web[x], y")
    assert found.blocks[1].names == ("state", "b")
    assert list(keys(found).values()) == list(EVERYTHING.values())


async def test_a_name_that_is_taken_is_counted_and_not_sent_twice() -> None:
    found = await shaped(rename=(("com.shop.pay", "one"), ("com.shop.list", "one")))
    assert found.blocks[0].names == ("one", "org.jetty[x], y")
    assert found.blocks[0].values == (1, 0.1, 3, 0.3)
    assert found.unusable == 3  # two of the source, one value of the second `one`


async def test_patterns_speak_of_the_names_as_they_were_read() -> None:
    assert keys(await shaped(("*com.shop.pay,count]",), rename=(("com.shop.", ""),))) == {
        "timer[pay,count]": 1
    }


async def test_other_names_make_another_plan() -> None:
    source = Source(GAUGES)
    (one,) = shape.shaped([source], shape.Shape(include=("gauge[b*",)))
    assert keys(await one.read(LIMITS, lambda: None)) == {"gauge[b,value]": 5}
    source._blocks = (
        messages.Block(kind="gauge", fields=("value",), names=("b2", "c", "b"), values=(1, 2, 3)),
    )
    assert keys(await one.read(LIMITS, lambda: None)) == {"gauge[b2,value]": 1, "gauge[b,value]": 3}


async def test_names_that_change_for_ever_fill_no_memory() -> None:
    source = Source()
    (one,) = shape.shaped([source], shape.Shape(exclude=("x",)))
    for number in range(500):
        source._blocks = (messages.Block(kind="gauge", fields=("value",), names=(str(number),), values=(1,)),)
        await one.read(LIMITS, lambda: None)
    assert isinstance(one, shape.Shaped)
    assert len(one._plans) <= 64


@pytest.mark.parametrize("text", ["", "=x", "com.example"])
def test_a_rename_that_is_none_is_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="write FROM=TO"):
        shape.rename(text)


def test_no_number_is_dropped_and_counted_and_a_word_stays_a_word() -> None:
    reading = dropwizard.decode(
        b'{"gauges": {"a": {"value": NaN}, "b": {"value": "Infinity"}, "c": {"value": "green"}, "d": {"value": 1}}}'
    )
    assert keys(reading) == {"gauge[c,value]": "green", "gauge[d,value]": 1}
    assert reading.unusable == 2


names = st.lists(st.text(max_size=6), unique=True, max_size=6)


@given(
    names, st.lists(st.sampled_from(["a", "b", "c"]), unique=True, min_size=1), st.text("ab*?[],", max_size=6)
)
def test_included_and_excluded_are_everything(names: list[str], fields: list[str], glob: str) -> None:
    cells = tuple(range(len(names) * len(fields)))
    block = messages.Block(kind="gauge", fields=tuple(fields), names=tuple(names), values=cells)
    found: list[tuple[str, str, messages.Value]] = []
    for one in (shape.Shape(include=(f"gauge[{glob}*",)), shape.Shape(exclude=(f"gauge[{glob}*",))):
        made, _ = shape.Shaped(Source(), one)._apply(block)
        found.extend((name, field, value) for name, field, value in made.cells())
    assert sorted(found) == sorted(block.cells())


def test_flags_and_variables() -> None:
    words = ["run", "--service", "web", "--include", "timer[*]", "--include", "gauge[*]", "--rename", "com.="]
    chosen = options.parse(words, {"CONCIERGE_EXCLUDE": "a* b*"})
    assert chosen.shaping == shape.Shape(("timer[*]", "gauge[*]"), ("a*", "b*"), (("com.", ""),))
    with pytest.raises(errors.Permanent, match=r"--rename: 'x': write FROM=TO"):
        options.parse(["run", "--service", "web", "--rename", "x"], {})


def test_a_prefix_is_of_a_source_that_is_there() -> None:
    with pytest.raises(errors.Permanent, match="--prefix: no source is named 'jobs'"):
        shape.shaped((), shape.Shape(prefix=(("jobs", "jobs."),)))
