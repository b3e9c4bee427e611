"""A further cluster is found where the first one is."""

import pytest

from concierge_backends.zabbix import clusters
from concierge_proto import errors, settings

CONFIG = settings.parse({"monitoring": {"clusters": {"second": {"servers": ["b:1"]}}}}, "test")


def test_the_first_is_the_first() -> None:
    assert clusters.of(CONFIG, "") is CONFIG


def test_a_further_one_takes_its_place() -> None:
    assert clusters.of(CONFIG, "second").monitoring.zabbix.servers == ("b:1",)


def test_one_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(errors.Permanent, match=r"monitoring\.clusters: no 'third': there is second"):
        clusters.of(CONFIG, "third")
