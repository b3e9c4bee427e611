"""What the pages of help and of docs teach: examples that are understood, flags that exist, defaults that are true."""

import re
import shlex
from pathlib import Path

import pytest

from concierge_courier import flags, guide, options, sources

PAGE = (Path(__file__).parents[3] / "docs" / "courier.md").read_text()
HELP = "\n".join([guide.COURIER, *(text for _, text in guide.ACTIONS.values())])
FIRST = ("concierge-courier ", "CONCIERGE_", "--", "docker exec")
SHOWN = re.findall(r"`--([a-z-]+) ([0-9]\w*)`", PAGE)
"""On the page a flag that stands with a number stands with its default, but for these."""
EXAMPLES = {("restarts", "3")}


def lines(text: str) -> list[str]:
    """Return the lines that are examples, each as one."""
    whole = re.sub(r" \\\n\s*", " ", text)
    return [line.strip() for line in whole.splitlines() if line.strip().startswith(FIRST)]


BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize("line", sorted({*lines(HELP), *lines(BLOCKS)}))
def test_an_example_is_understood(line: str) -> None:
    words = shlex.split(line)
    environ = dict(word.split("=", 1) for word in words if word.startswith("CONCIERGE_"))
    if "concierge-courier" in words:
        words = words[words.index("concierge-courier") + 1 :]
    else:
        words = ["run", "--service", "web", *words, *(["--", "app"] if "--restarts" in words else [])]
    if "--help" in words:
        return
    chosen = options.parse(words, environ)
    assert {source.partition("=")[0].partition(":")[0] for source in chosen.sources} <= set(sources.KINDS)


def test_there_are_examples_and_defaults() -> None:
    assert len(set(SHOWN)) >= 10
    assert len(lines(HELP)) > 10
    assert len(lines(BLOCKS)) > 1


def test_every_flag_of_the_page_exists() -> None:
    actions = flags.parser()._subparsers
    assert actions
    known = " ".join(page.format_help() for page in actions._group_actions[0].choices.values())  # type: ignore[union-attr]
    others = {"--init", "--time"}  # Docker's
    said = set(re.findall(r"`[^`\n]*?(--[a-z][a-z-]+)", PAGE)) - others
    assert {flag for flag in said if not re.search(rf"{flag}\b", known)} == set()


@pytest.mark.parametrize(
    "flag", [flag for flag in flags.ALL if "default" in flag.help], ids=lambda flag: flag.name
)
def test_a_default_in_the_help_is_the_default(flag: flags.Flag) -> None:
    (said,) = re.findall(r"default (\S+?)(?:,|$)|(\S+) \(default\)", flag.help) or [("", "")]
    text = "".join(said)
    if flag.name not in {"instance", "timeout"}:  # the host name; a part of another
        assert flag.read(text) == getattr(options.Options(), flag.name)


@pytest.mark.parametrize(("name", "text"), sorted(set(SHOWN) - EXAMPLES))
def test_a_default_on_the_page_is_the_default(name: str, text: str) -> None:
    (flag,) = (one for one in flags.ALL if one.name == name.replace("-", "_"))
    assert flag.read(text) == getattr(options.Options(), flag.name)
