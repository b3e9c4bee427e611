"""The book: pages that are made of the code are fresh, and no link leads nowhere."""

import re
from pathlib import Path

import pytest

from docs import configuration
from tests.unit import golden
from tests.unit.house import tree

PAGES = sorted(file for file in tree.FILES if file.suffix == ".md")
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)|\b(?:src|href)=\"([^\"]+)\"")
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    return [one or other for one, other in LINK.findall(CODE.sub("", page.read_text("utf-8")))]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: list[str] = []
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return {*found, *re.findall(r"\b(?:id|name)=\"([^\"]+)\"", text)}


def broken(page: Path) -> list[str]:
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        to = (page.parent / path) if path else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(tree.ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_dead_link_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`: *three*\n[a](#one-two-three) [b](#four) [c](none.md) [d](page.md#one-two-three)\n"
        '[e](https://example.org/x) `[f](none.md)`\n```\n[g](none.md)\n# Four\n```\n<img src="none.svg">\n'
    )
    assert broken(page) == ["#four", "none.md", "none.svg"]


def test_the_page_of_settings_is_fresh() -> None:
    """Run `make docs` after a change of the settings."""
    made = configuration.page()
    assert golden.pinned(tree.ROOT / "docs" / "configuration.md", made.encode()).decode() == made


def test_every_setting_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` .*\|  \|$", configuration.page(), re.MULTILINE) == []
