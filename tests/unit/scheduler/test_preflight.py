"""What stands in the way of more instances, from a compose file's words and a node's room."""

from typing import Any

import msgspec
import pytest

from concierge_scheduler.targets import preflight

GIGA = 1024**3


@pytest.mark.parametrize(
    ("part", "most", "said"),
    [
        ({}, 9, ""),
        ({"container_name": "one"}, 9, "`container_name: one`"),
        ({"container_name": "one"}, 1, ""),
        ({"hostname": "one"}, 9, "`hostname: one`"),
        ({"deploy": {"mode": "global"}}, 9, "`deploy.mode: global`"),
        ({"deploy": {"mode": "replicated"}}, 9, ""),
        ({"ports": [{"published": "80"}]}, 2, "fixed host port 80"),
        ({"ports": [{"published": "80"}]}, 1, ""),
        ({"ports": [{"published": ""}, {}]}, 9, ""),
        ({"ports": [{"published": "8000-8003"}]}, 4, ""),
        ({"ports": [{"published": "8000-8003"}]}, 5, "4 host ports (8000-8003) and max is 5"),
    ],
)
def test_a_compose_service(part: dict[str, Any], most: int, said: str) -> None:
    found = preflight.composed("web", msgspec.convert(part, preflight.Part), most)
    assert said in found
    assert bool(said) is bool(found)


@pytest.mark.parametrize(
    ("part", "memory"),
    [
        ({"mem_limit": "100"}, 100),
        ({"mem_limit": "100", "mem_reservation": "60"}, 60),
        ({"deploy": {"resources": {"limits": {"memory": "100"}}}}, 100),
        ({"deploy": {"resources": {"limits": {"memory": "100"}, "reservations": {"memory": "7"}}}}, 7),
        ({}, 0),
    ],
)
def test_what_an_instance_takes(part: dict[str, Any], memory: int) -> None:
    assert msgspec.convert(part, preflight.Part).need == preflight.Need(memory, 0)


def test_a_node_holds_so_many() -> None:
    two = [preflight.Node(2 * GIGA, 2 * 10**9)] * 2
    need = preflight.Need(GIGA + 1, 0)
    assert preflight.fits("web", need, 2, two) == ""
    assert preflight.fits("web", need, 3, two) == (
        "web takes 1024 MB an instance, so 2 fit on 2 node(s) with 4096 MB, 4 CPUs in all, and max is 3: "
        "lower max or the reservation, or add a node"
    )
    assert "takes 1.5 CPUs" in preflight.fits("web", preflight.Need(0, 15 * 10**8), 3, two)
    assert preflight.fits("web", preflight.Need(0, 0), 99, two) == ""
    assert preflight.fits("web", need, 99, []) == ""
