"""What a command changed in Zabbix, or would: for people, and for programs."""

from collections.abc import Sequence

import msgspec

from concierge_backends.zabbix import provision
from concierge_cli import output

WIDTH = 160
"""Characters of a value that are shown."""


def show(changes: Sequence[provision.Change], *, json: bool, dry_run: bool) -> None:
    """Print what changed, or would, with what an update finds and wants."""
    for change in changes:
        if json:
            output.emit(change)
        elif change.change != "none":
            output.console.print(f"{change.change:<8} {change.kind}: {change.name}", markup=False)
            for field, wanted in change.after.items():
                output.console.print(
                    f"{'':10}{field}: {_difference(change.before[field], wanted)}", markup=False
                )
    if not json:
        done = sum(change.change != "none" for change in changes)
        output.console.print(f"{done} of {len(changes)} {'would change' if dry_run else 'changed'}")


def _difference(before: object, after: object) -> str:
    """Show a short value whole; of lists, what goes and what comes; of a long text, how long it is."""
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"- {_short(one)}" for one in before if one not in after]
        come = [f"+ {_short(one)}" for one in after if one not in before]
        return "  ".join(gone + come)
    return f"{_short(before)} -> {_short(after)}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= WIDTH and "\n" not in text else f"{text[:30]!r}… ({len(text)} characters)"
