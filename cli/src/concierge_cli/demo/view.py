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
    painter: Painter | Scribe = Painter(story, console) if console.is_terminal else Scribe(story, console)
    with painter:
        try:
            while True:
                painter.turn()
                await asyncio.sleep(0.125)
        finally:
            painter.turn()


class Painter:
    """The live picture."""

    def __init__(self, story: Story, console: Console) -> None:
        self._story = story
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def turn(self) -> None:
        self._live.update(page(self._story), refresh=True)


class Scribe:
    """One line an event, for logs and pipes."""

    def __init__(self, story: Story, console: Console) -> None:
        self._story = story
        self._console = console
        self._told = 0
        self._chapter = ""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, *_: object) -> None:
        """Nothing to put away."""

    def turn(self) -> None:
        if self._story.chapter != self._chapter:
            self._chapter = self._story.chapter
            self._console.print(f"— {self._chapter}")
        for delivery in self._story.log[self._told :]:
            self._console.print(show.line(delivery))
        self._told = len(self._story.log)


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
        Text("Every line is an event on NATS. Ctrl-C ends everything.", style="dim"),
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
