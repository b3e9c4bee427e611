"""What the demo shows: instances, metric, and the chain of events as it happens."""

import asyncio

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from concierge_cli import show
from concierge_cli.demo import scene
from concierge_cli.demo.play import Story

_BARS = " ▁▂▃▄▅▆▇█"
_LINES = 14


async def draw(story: Story, console: Console) -> None:
    """Redraw until cancelled; on something that is no terminal, print each event once."""
    if not console.is_terminal:
        await _print(story, console)
        return
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while True:
            live.update(page(story))
            await asyncio.sleep(0.125)


async def _print(story: Story, console: Console) -> None:
    told, chapter = 0, ""
    while True:
        if story.chapter != chapter:
            chapter = story.chapter
            console.print(f"— {chapter}")
        for delivery in story.log[told:]:
            console.print(show.line(delivery))
            told += 1
        await asyncio.sleep(0.1)


def page(story: Story) -> Group:
    """Return the whole picture."""
    return Group(
        Panel(
            _instances(story),
            title=f"service {scene.SERVICE}: {len(story.heard)} running",
            subtitle=story.chapter,
        ),
        Text(f"average load {_line(story.averages[-60:])}  (out above {scene.HIGH}, in below {scene.LOW})"),
        Panel(_events(story), title="what Concierge does"),
        Text("Ctrl-C ends everything.", style="dim"),
    )


def _instances(story: Story) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, load in story.heard.items():
        colour = "red" if load > scene.HIGH else "yellow" if load < scene.LOW else "green"
        table.add_row(name, Text("█" * round(load * 30), style=colour), f"{load:.2f}")
    return table


def _events(story: Story) -> Group:
    return Group(*[show.line(delivery) for delivery in story.log[-_LINES:]])


def _line(values: list[float]) -> str:
    return "".join(_BARS[min(8, max(0, round(value / 1.2 * 8)))] for value in values)
