"""The laws of the house that no other tool keeps."""

import ast
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.house import tree

SOURCES = [file for file in tree.FILES if file.suffix == ".py"]
LOCK = (tree.ROOT / "requirements.lock").read_text()
PINS: dict[str, str] = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE))
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"}
# Put together here, so that this file is not the one that says them.
HOSTS = ["pypi." + "org", "python" + "hosted", "deb." + "debian", "security." + "debian", "/simple" + "/"]


def requirements(room: str) -> list[Requirement]:
    project = tree.project(room)
    lists = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
    return [Requirement(text) for group in lists for text in group]


@pytest.mark.parametrize("room", tree.ROOMS)
def test_a_room_says_what_it_is_and_is_typed(room: str) -> None:
    source = tree.ROOMS[room] / "src" / f"concierge_{room}"
    assert ast.get_docstring(ast.parse((source / "__init__.py").read_text()))
    assert (source / "py.typed").exists()
    assert tree.project(room)["license"] == "Apache-2.0"


def test_all_rooms_have_one_version() -> None:
    assert len({tree.project(room)["version"] for room in tree.ROOMS}) == 1


@pytest.mark.parametrize("room", tree.ROOMS)
def test_every_dependency_says_what_for_and_how_big(room: str) -> None:
    text = (tree.ROOMS[room] / "pyproject.toml").read_text()
    for requirement in requirements(room):
        if not requirement.name.startswith("concierge-"):
            lines = [line for line in text.splitlines() if re.search(rf"\"{requirement.name}\b", line)]
            assert lines
            assert all("#" in line for line in lines), requirement.name


@pytest.mark.parametrize("room", tree.ROOMS)
def test_the_lock_pins_what_a_room_needs(room: str) -> None:
    """Run `make lock` after a change of dependencies."""
    for requirement in requirements(room):
        if not requirement.name.startswith("concierge-"):
            assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)]), requirement


def test_the_lock_has_hashes_and_no_addresses() -> None:
    assert len(PINS) > 30
    assert not re.search(r"://|file:|^-", LOCK, re.MULTILINE)
    unhashed = [
        one for one in re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE) if "==" in one and "sha256:" not in one
    ]
    assert unhashed == []


def test_nothing_names_the_host_of_a_registry() -> None:
    said = [
        f"{file.relative_to(tree.ROOT)}: {host}"
        for file in tree.FILES
        for host in HOSTS
        if host in file.read_bytes().decode("utf-8", "replace")
    ]
    assert said == []


def test_no_file_is_too_long() -> None:
    long = {
        str(file.relative_to(tree.ROOT)): n
        for file in SOURCES
        if (n := len(file.read_text().splitlines())) >= 500
    }
    assert long == {}


def test_no_module_has_a_vague_name() -> None:
    assert [file for file in SOURCES if VAGUE & set(file.relative_to(tree.ROOT).with_suffix("").parts)] == []
