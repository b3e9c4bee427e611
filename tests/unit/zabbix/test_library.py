"""The templates as documents: the files that are published, the uuids by which Zabbix knows them again, the two forms."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from concierge_backends.zabbix import keys, names
from concierge_backends.zabbix.provision import catalogue, imports
from concierge_backends.zabbix.provision.library import (
    application,
    container,
    document,
    enfield,
    examples,
    shapes,
    yaml,
)
from concierge_proto import settings
from tests.unit import golden

PUBLISHED = Path(__file__).parents[3] / "docs/zabbix"
VERSIONS = [pytest.param(False, id="6.0"), pytest.param(True, id="7.0")]


def every(doc: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(doc, dict):
        yield doc
    for inner in doc.values() if isinstance(doc, dict) else doc if isinstance(doc, list) else ():
        yield from every(inner)


@pytest.mark.parametrize("seven", VERSIONS)
def test_the_published_file_is_what_the_command_prints(*, seven: bool) -> None:
    made = yaml.dump(document.build(seven=seven)).encode()
    assert golden.pinned(PUBLISHED / f"templates-{'7.0' if seven else '6.0'}.yaml", made) == made


@pytest.mark.parametrize("seven", VERSIONS)
def test_every_element_has_a_uuid_of_its_own(*, seven: bool) -> None:
    found = [
        doc["uuid"]
        for doc in every(document.build({"web": settings.Items(), "api": settings.Items()}, seven=seven))
        if "uuid" in doc
    ]
    assert len(found) == len(set(found)) > 100
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in found} == {(4, uuid.RFC_4122)}


def test_a_uuid_is_the_same_for_ever() -> None:
    assert shapes.uuid("template", enfield.NAME) == "0f45c251a36640b19d92c6c165fbf50e"
    assert shapes.uuid("template", names.instance_template("web")) != shapes.uuid(
        "template", names.instance_template("api")
    )


@pytest.mark.parametrize("seven", VERSIONS)
def test_every_kind_of_metric_has_a_rule_with_a_prototype_a_field(*, seven: bool) -> None:
    built = [enfield.build("G", seven=seven), container.build("G", seven=seven)]
    rules = {rule["key"]: rule["item_prototypes"] for doc in built for rule in doc["discovery_rules"]}
    assert {key: len(found) for key, found in rules.items()} == {
        keys.rule(kind): len(fields) for kind, fields in catalogue.FIELDS.items()
    }


def test_a_container_is_lost_when_push_and_pull_are_silent() -> None:
    six = application.lost(seven=False)["expression"]
    assert six == (
        "nodata(/Concierge instance/container.state,{$CONCIERGE.SILENT})=1 and "
        "last(/Concierge instance/container.state)=1 and "
        "max(/Concierge instance/container.ping,{$CONCIERGE.SILENT})=0"
    )
    assert application.lost(seven=True)["expression"] == (
        f"{six} and last(/Concierge instance/zabbix[host,active_agent,available])<>1"
    )


def test_examples_ask_for_what_their_tag_says() -> None:
    for trigger in (examples.combined(), examples.predictive(), examples.upstream()):
        tags = {tag["tag"]: tag["value"] for tag in trigger["tags"]}
        assert tags == {"concierge": "custom", "concierge.action": "scale_out 1"}
        assert trigger["recovery_expression"]


def test_a_service_chooses_which_metrics_get_items() -> None:
    def chosen(**items: str) -> dict[str, str]:
        built = application.build_of("web", "G", settings.Items(**items))
        return {macro["macro"]: macro["value"] for macro in built["macros"]}

    plain = {"{$CONCIERGE.SERVICE}": "web"}
    assert chosen() == plain
    assert chosen(matches="^shop[.]") == {**plain, "{$METRICS.MATCHES}": "^shop[.]"}
    assert chosen(skips="jvm") == {**plain, "{$METRICS.NOT_MATCHES}": "jvm"}


def test_yaml_keeps_every_sign() -> None:
    text = yaml.dump({"a": "it's: #1", "b": [{"c": "", "d": ["x"]}], "e": [], "f": {"g": "{$M}"}})
    assert text == "a: 'it''s: #1'\nb:\n  - c: ''\n    d:\n      - 'x'\nf:\n  g: '{$M}'\n"
    with pytest.raises(ValueError, match="line breaks"):
        yaml.dump({"a": "b\nc"})


def test_an_import_leaves_out_what_nothing_changes_in() -> None:
    built = document.build({"web": settings.Items()}, seven=True)
    export = built["zabbix_export"]
    item = next(doc for doc in every(export) if doc.get("key") == "container.state")
    part = imports.needed(built, {item["uuid"], application.lost(seven=True)["uuid"]})["zabbix_export"]
    # A trigger is imported only together with its template.
    assert [doc["name"] for doc in part["templates"]] == [container.NAME, application.NAME]
    assert [doc["name"] for doc in part["triggers"]] == ["Container is lost"]
    assert part["template_groups"] == export["template_groups"]
