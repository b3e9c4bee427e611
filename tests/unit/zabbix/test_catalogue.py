"""What the courier can send and what the templates know are the same: a value without an item is lost."""

from pathlib import Path

from concierge_backends.zabbix.provision import catalogue
from concierge_courier import sources
from concierge_courier.sources import accounts, mounts


def test_every_item_of_the_container_has_its_item() -> None:
    text = Path(accounts.__file__).read_text("utf-8")
    literal = {part.split('"')[0] for part in text.split('"container.')[1:]}
    written = {f"container.{name}" for name in literal if "{" not in name}
    assert written
    assert written <= set(catalogue.CONTAINER)


def test_filesystems_have_every_field() -> None:
    assert set(mounts.FIELDS) == set(catalogue.FIELDS["filesystem"])


def test_there_is_a_container_source_to_speak_of() -> None:
    assert {"container", "process", "health"} <= set(sources.KINDS)
