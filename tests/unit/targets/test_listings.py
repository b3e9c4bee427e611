"""From the lines that docker prints to instances: no engine, no clock."""

import math
from typing import Any

import msgspec
import pytest

from concierge_scheduler.targets import compose, tasks


def row(name: str, state: str = "running", status: str = "Up 3 minutes") -> compose.Row:
    return compose.Row(id=name.ljust(64, "0"), name=name, state=state, status=status, service="web")


def test_compose_counts_what_exists_and_has_not_ended() -> None:
    states = ("running", "created", "restarting", "paused", "exited", "dead", "removing")
    seen = compose.observed("web", [row(f"shop-web-{state}", state) for state in states])
    assert {one.name for one in seen.instances if one.running} == {"shop-web-running"}
    assert {one.name.rpartition("-")[2] for one in seen.instances} == set(states[:4])
    assert (seen.wanted, seen.present, seen.settled) == (4, 4, 1)


def test_compose_counts_a_container_and_the_one_made_in_its_place_once() -> None:
    def one(name: str, state: str, number: str, replaces: str = "") -> compose.Row:
        return msgspec.structs.replace(row(name, state), number=number, replaces=replaces)

    old, new = one("shop-web-1", "running", "1"), one("1a_shop-web-1", "created", "1", "1a")
    assert [seen.name for seen in compose.observed("web", [new, old]).instances] == ["shop-web-1"]
    for gone in ("exited", "removing"):
        rows = [new, msgspec.structs.replace(old, state=gone)]
        assert [seen.name for seen in compose.observed("web", rows).instances] == ["1a_shop-web-1"]
    other = one("shop-web-2", "created", "2", "2a")
    assert compose.observed("web", [old, other]).wanted == 2, "what the other replaced is gone"
    twice = [old, one("shop-web-x", "created", "1")]
    assert compose.observed("web", twice).wanted == 2, "in nothing's place"
    assert compose.observed("web", [old, one("shop-web-y", "running", "1", "1a")]).wanted == 2, "both run"


@pytest.mark.parametrize(
    ("state", "age", "changing"),
    [
        ("created", "Less than a second ago", True),
        ("created", "59 seconds ago", True),
        ("created", "About a minute ago", False),
        ("running", "2 seconds ago", False),
    ],
)
def test_compose_changes_while_a_container_is_made_in_another_s_place(
    state: str, age: str, changing: bool
) -> None:
    new = msgspec.structs.replace(row("1a_shop-web-1", state), number="1", replaces="1a", age=age)
    assert compose.observed("web", [row("shop-web-2"), new]).changing is changing


@pytest.mark.parametrize(
    ("count", "gone"),
    [(5, []), (4, ["dead"]), (3, ["dead", "paused"]), (2, ["dead", "paused", "sick"])],
)
def test_compose_takes_away_first_what_is_not_well(count: int, gone: list[str]) -> None:
    rows = [row("paused", "paused"), row("sick", status="Up 2 hours (unhealthy)"), row("dead", "exited")]
    rows += [row("well"), row("fit")]
    assert [one.name for one in compose.surplus(rows, count)] == gone
    assert [one.name for one in compose.surplus(rows, 0)] == ["dead", "paused", "sick"], (
        "the others are compose's"
    )


def test_compose_tells_who_died_from_who_was_asked_to_end() -> None:
    ends = {"Exited (1)": 1, "Exited (137)": 1, "Exited (0)": 0, "Exited (143)": 0}
    for status, died in ends.items():
        rows = [row("shop-web-1"), row("shop-web-2", "exited", f"{status} 3 seconds ago")]
        assert compose.observed("web", rows).died == died, status


@pytest.mark.parametrize(
    ("ago", "count"),
    [("Less than a second ago", 2), ("1 second ago", 2), ("2 seconds ago", 2), ("12 seconds ago", 1)],
)
def test_compose_counts_what_ended_just_now_and_may_be_on_its_way_up_again(ago: str, count: int) -> None:
    seen = compose.observed("web", [row("shop-web-1"), row("shop-web-2", "exited", f"Exited (1) {ago}")])
    assert (seen.wanted, seen.settled, seen.died) == (count, 1, 2 - count)


def test_compose_reads_health_from_the_status() -> None:
    healthy = {
        "Up 2 seconds": True,
        "Up 2 seconds (healthy)": True,
        "Up 2 seconds (health: starting)": False,
        "Up 2 seconds (unhealthy)": False,
    }
    for status, expected in healthy.items():
        assert compose.observed("web", [row("shop-web-1", status=status)]).instances[0].healthy is expected


def test_compose_reads_how_young_a_container_is() -> None:
    ages = {
        "Up Less than a second": 1.0,
        "Up 1 second": 2.0,
        "Up 59 seconds (healthy)": 60.0,
        "Up About a minute": math.inf,
        "Up 2 hours": math.inf,
        "Restarting (1) 2 seconds ago": math.inf,
    }
    for status, expected in ages.items():
        assert (
            compose.observed("web", [row("shop-web-1", status=status)]).instances[0].younger_than == expected
        )


def test_compose_sorts_by_number() -> None:
    seen = compose.observed("web", [row(f"shop-web-{number}") for number in (10, 2, 1)])
    assert [one.name for one in seen.instances] == ["shop-web-1", "shop-web-2", "shop-web-10"]


def test_the_hostname_is_the_short_id() -> None:
    seen = compose.observed("web", [row("abcdef0123456789")])
    assert seen.instances[0].hostname == "abcdef012345"


def service(
    template: str = "", replicas: int = 2, state: str = "", labels: dict[str, str] | None = None
) -> tasks.Service:
    spec: dict[str, Any] = {
        "Name": "shop_web",
        "Labels": labels,
        "Mode": {"Replicated": {"Replicas": replicas}} if replicas else {"Global": {}},
        "TaskTemplate": {"ContainerSpec": {"Image": "web", "Hostname": template}},
    }
    update = {"State": state} if state else None
    return msgspec.convert({"ID": "s1", "Spec": spec, "UpdateStatus": update}, tasks.Service)


def task(
    name: str, desired: str = "Running", current: str = "Running 2 seconds ago", error: str = ""
) -> tasks.Task:
    line = {"ID": f"id-{name}", "Name": name, "Node": "one", "DesiredState": desired}
    return msgspec.convert(line | {"CurrentState": current, "Error": error}, tasks.Task)


def test_swarm_counts_what_goes_until_it_is_gone() -> None:
    listed = [
        task("shop_web.1"),
        task("shop_web.2", "Running", "Starting 1 second ago"),
        task("shop_web.3", "Remove", "Running less than a second ago"),
        task("shop_web.4", "Remove", "Shutdown less than a second ago"),
        task("\\_ shop_web.1", "Shutdown", "Failed 2 minutes ago", "task: non-zero exit (1)"),
        task("shop_web.5", "Shutdown", "Running 3 hours ago"),  # on a node that is gone
    ]
    seen = tasks.observed("web", service(), listed)
    assert [one.name for one in seen.instances] == ["shop_web.1", "shop_web.2", "shop_web.3"]
    assert (seen.wanted, seen.present, seen.settled) == (2, 3, 2)


def test_swarm_tells_a_rollout() -> None:
    states = {"updating": True, "rollback_started": True, "completed": False, "": False}
    for state, expected in states.items():
        assert tasks.observed("web", service(state=state), []).changing is expected


def test_swarm_tells_a_rollout_that_stands_still_and_what_ends_it() -> None:
    for state in ("paused", "rollback_paused"):
        seen = tasks.observed("web", service(state=state), [])
        assert seen.changing
        assert "`docker service rollback shop_web`" in seen.stuck
    assert tasks.observed("web", service(state="updating"), []).stuck == ""


def test_swarm_tells_whose_number_it_is() -> None:
    assert tasks.observed("web", service(), []).intent == ""
    ours = {"com.docker.stack.namespace": "shop", tasks.LABEL: "c1"}
    assert tasks.observed("web", service(labels=ours), []).intent == "c1"


def test_a_global_service_wants_what_it_has() -> None:
    seen = tasks.observed("web", service(replicas=0), [task("shop_web.node1"), task("shop_web.node2")])
    assert seen.wanted == 2


def test_a_task_of_history_belongs_to_its_service() -> None:
    assert task("\\_ shop_web.1").service == "shop_web"
    assert task("shop_web-admin.1").service == "shop_web-admin"


def test_a_hostname_is_known_from_its_template() -> None:
    one = task("shop_web.3")
    templates = {
        "": "",
        "fixed": "fixed",
        "{{.Service.Name}}-{{.Task.Slot}}": "shop_web-3",
        "{{ .Node.Hostname }}.{{.Task.Name}}": "one.shop_web.3.id-shop_web.3",
        "{{.Service.Labels.zone}}": "",
        '{{index .Service.Labels "zone"}}': "",
    }
    for template, expected in templates.items():
        assert tasks.hostname(service(template), one) == expected
