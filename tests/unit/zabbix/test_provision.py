"""What is wanted in Zabbix, as documents, and how it is compared with what is there."""

from typing import Any

import pytest

from concierge_backends.zabbix import names, webhook
from concierge_backends.zabbix.provision import actions, elements, ledger, media, people, services
from concierge_proto import errors, settings


def config(**threshold: Any) -> settings.Settings:
    tree = {
        "targets": {"shop": {"kind": "compose", "project": "shop"}},
        "services": {
            "web": {
                "target": "shop",
                "min": 2,
                "max": 5,
                "aggregates": {"metrics": ["timer[a,b,p95]"]},
                "triggers": [
                    {"name": "T", "metric": "gauge[load,value]", "action": "scale_out 1", **threshold}
                ],
            }
        },
    }
    return settings.parse(tree, "test")


def trigger(**threshold: Any) -> ledger.Doc:
    found = config(**threshold)
    return services.trigger(found, "web", found.services["web"].triggers[0])


AVG = "/service web/service.avg[gauge,load,value]"
HEARD = "/service web/service.heard"
TOLD = f" and nodata({HEARD},1m)=0 and nodata({AVG},1m)=0"
UNTOLD = f" or nodata({HEARD},1m)=1 or nodata({AVG},1m)=1"


def test_a_threshold_counts_while_instances_are_heard() -> None:
    assert trigger(above=4.0)["expression"] == f"last({AVG})>4 and last({HEARD})>0{TOLD}"


def test_hysteresis_ends_beyond_recovers_or_when_nothing_is_heard() -> None:
    found = trigger(above=4.0, recovers=2.5)
    assert found["recovery_mode"] == 1
    assert found["recovery_expression"] == f"last({AVG})<2.5 or last({HEARD})<=0{UNTOLD}"


def test_scaling_in_leaves_the_smallest_number_alone() -> None:
    found = trigger(below=1.0, recovers=2.0, action="scale_in 1")
    assert found["expression"] == f"last({AVG})<1 and last({HEARD})>2{TOLD}"
    assert found["recovery_expression"] == f"last({AVG})>2 or last({HEARD})<=2{UNTOLD}"


@pytest.mark.parametrize(
    ("threshold", "expression"),
    [
        ({"above": 4.0}, f"min({AVG},90s)>4 and last({AVG},#1:now-90s)>4"),
        ({"below": 0.5}, f"max({AVG},90s)<0.5 and last({AVG},#1:now-90s)<0.5"),
    ],
)
def test_a_lasting_threshold_holds_for_the_whole_span(threshold: dict[str, Any], expression: str) -> None:
    assert trigger(**{"for": "1m30s"}, **threshold)["expression"].startswith(expression + " and ")


def test_the_number_of_instances_is_a_metric_too() -> None:
    assert trigger(metric="running", below=1.0)["expression"] == (
        f"last(/service web/service.running)<1 and nodata({HEARD},1m)=0"
    )


def test_a_trigger_says_its_service_and_action_in_tags() -> None:
    tags = {tag["tag"]: tag["value"] for tag in trigger(above=1.0)["tags"]}
    assert tags == {"concierge": "threshold", "service": "web", "concierge.action": "scale_out 1"}


@pytest.mark.parametrize(
    ("value", "text"), [(4.0, "4"), (0.25, "0.25"), (1e-6, "0.000001"), (-3.0, "-3"), (1e9, "1000000000")]
)
def test_numbers_have_no_exponent(value: float, text: str) -> None:
    assert services.number(value) == text


def test_steps_are_at_least_a_minute() -> None:
    (threshold,) = config(above=1.0, repeat_every="10s").services["web"].triggers
    action = actions.on_trigger("web", threshold, "1", "2", "3")
    assert action["esc_period"] == "60s"
    (step,) = action["operations"]
    assert (step["esc_step_from"], step["esc_step_to"]) == (1, 0)
    assert step["opmessage"]["subject"] == "scale_out 1"
    assert (action["pause_suppressed"], action["notify_if_canceled"]) == (1, 0)


def test_every_tracked_metric_has_an_item_of_each_way() -> None:
    found = config(above=1.0)
    docs = services.items(found.services["web"], "10")
    assert {doc["key_"] for doc in docs} == {
        "service.avg[gauge,load,value]",
        "foreach.avg[gauge,load,value]",
        'service.avg[timer,"a,b",p95]',
        'foreach.avg[timer,"a,b",p95]',
        'service.sum[timer,"a,b",p95]',
        'foreach.sum[timer,"a,b",p95]',
        'service.max[timer,"a,b",p95]',
        'foreach.max[timer,"a,b",p95]',
    }


def test_zabbix_own_aggregates_read_fresh_instances_alone() -> None:
    found = {one.key: services.formula(one) for one in names.tracked(config(above=1.0).services["web"])}
    assert found["service.avg[gauge,load,value]"] == (
        'avg(avg_foreach(/*/gauge[load,value]?[group="{$SERVICE_HOSTGROUP}"],{$FRESH}))'
    )
    assert found['service.max[timer,"a,b",p95]'] == (
        'max(max_foreach(/*/timer["a,b",p95]?[group="{$SERVICE_HOSTGROUP}"],{$FRESH}))'
    )


def test_the_media_type_sends_what_the_reader_reads() -> None:
    sent = {one["name"] for one in media.media("http://g/webhooks/zabbix", "http://z")["parameters"]}
    assert sent - {"gateway", "secret"} == set(webhook.Post.__struct_fields__)


def test_no_parameter_holds_the_secret() -> None:
    assert "hush" * 8 not in str(media.media("http://g", ""))
    assert media.macro("hush" * 8)["type"] == 1


def test_a_key_that_zabbix_cannot_sign_with_is_refused() -> None:
    assert media.key_text("plain text") == "plain text"
    assert media.key_text("whsec_cGxhaW4gdGV4dA==") == "plain text"
    with pytest.raises(errors.Permanent, match="openssl rand"):
        media.key_text("whsec_gIGCgw==")


@pytest.mark.parametrize("seven", [False, True])
@pytest.mark.parametrize("who", people.ALL, ids=lambda who: who.user)
def test_a_role_names_every_action(who: people.Identity, *, seven: bool) -> None:
    rules = people.role(who, seven=seven)["rules"]
    assert tuple(rule["name"] for rule in rules["actions"] if rule["status"]) == who.allowed
    assert len(rules["actions"]) == 8 + 3 * seven + 3 * (who is people.KEEPER)
    assert ("history.push" in rules["api"]) is (seven and who is people.RUNTIME)


def test_expressions_are_read_back_as_they_were_written() -> None:
    found = {
        "expression": "{1}>{$MAX} and {2}=0",
        "recovery_expression": "",
        "hosts": [{"host": "T"}],
        "items": [{"itemid": "7", "key_": "a.b"}],
        "functions": [
            {"functionid": "1", "itemid": "7", "function": "last", "parameter": "$"},
            {"functionid": "2", "itemid": "7", "function": "nodata", "parameter": "$,{$SILENT}"},
        ],
    }
    assert elements.expressions(found) == {
        "expression": "last(/T/a.b)>{$MAX} and nodata(/T/a.b,{$SILENT})=0",
        "recovery_expression": "",
    }


KIND = ledger.Kind("host", "host", "hostid", "host", fixed=("passwd",), shared=("groups",))


@pytest.mark.parametrize(
    ("have", "want"),
    [
        ("4", 4),
        ({"a": "1", "more": "x"}, {"a": 1}),
        ([{"tag": "b"}, {"tag": "a", "id": "9"}], [{"tag": "a"}, {"tag": "b"}]),
    ],
)
def test_the_same_in_other_clothes(have: Any, want: Any) -> None:
    assert ledger.same(have, want)


@pytest.mark.parametrize(
    ("have", "want"),
    [("5", 4), ({}, {"a": 1}), ([1, 1], [1, 2]), ([1], [1, 1]), ([1, 2], [1]), (None, []), ("x", {})],
)
def test_a_difference_is_seen(have: Any, want: Any) -> None:
    assert not ledger.same(have, want)


def test_only_what_differs_is_written() -> None:
    old = {"host": "a", "name": "x", "status": "0", "groups": [{"groupid": "5", "name": "theirs"}]}
    doc = {"host": "a", "name": "y", "status": 0, "passwd": "new", "groups": [{"groupid": "6"}]}
    assert ledger.difference(KIND, old, doc) == {
        "name": "y",
        "groups": [{"groupid": "5"}, {"groupid": "6"}],
    }


def test_what_others_added_is_no_difference() -> None:
    old = {"host": "a", "groups": [{"groupid": "5"}, {"groupid": "6"}]}
    assert ledger.difference(KIND, old, {"host": "a", "groups": [{"groupid": "6"}]}) == {}
