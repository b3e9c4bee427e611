"""`concierge demo`: the whole loop on one machine."""

import asyncio
import contextlib
import logging
import secrets
import tempfile
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from concierge_cli import output, up
from concierge_cli.demo import balancer, play, scene, view
from concierge_proto import errors


def demo(
    target: Annotated[
        str, typer.Option(help=f"Where instances run: {', '.join(scene.TARGETS)}.")
    ] = "process",
    backend: Annotated[str, typer.Option(help=f"Who decides: {', '.join(scene.BACKENDS)}.")] = "embedded",
    project: Annotated[
        str, typer.Option(help="Name of the compose project or swarm service.  [default: a new one]")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="End after one scale-out and one scale-in.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="The last line is one JSON object; progress goes to stderr.")
    ] = False,
) -> None:
    """Show the whole loop on this machine: a shop under load, one more instance, and one less again.

    Exit code 0 when the loop closed, else a sentence and 2.
    """
    for what, value, known in (("--target", target, scene.TARGETS), ("--backend", backend, scene.BACKENDS)):
        if value not in known:
            raise errors.Malformed(f"{what} {value}: there is {', '.join(known)}")
    logging.getLogger().setLevel(logging.WARNING)  # the story tells what happens
    screen = Console(stderr=json, highlight=False, soft_wrap=True)
    opening = opened(target, backend, project or f"concierge-demo-{secrets.token_hex(3)}")
    screen.print(f"starting: target {target}, monitoring by {backend}")
    asyncio.run(_demo(opening, screen, once=once, json=json))


async def _demo(
    opening: contextlib.AbstractAsyncContextManager[play.Story], console: Console, *, once: bool, json: bool
) -> None:
    closed: list[dict[str, object]] = []
    async with opening as story:
        console.print(f"look in from elsewhere: CONCIERGE_NATS__URL={story.bus} concierge events --follow")
        drawing = asyncio.create_task(view.draw(story, console))
        try:
            await _until_asked(_cycle(story, closed, once=once))
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
    console.print(
        "everything is stopped. Go on with `concierge init` and `concierge up`; README.md shows how."
    )
    if once and not closed:
        raise errors.Permanent("stopped before the loop had closed")
    for record in closed:
        if json:
            output.emit(record)
        else:
            console.print(
                f"the loop closed: out {record['out']}, in {record['in']}, {record['stages_ms']} ms"
            )


async def _until_asked(work: Coroutine[None, None, None]) -> None:
    """Work until it ends or somebody asks to stop; raises what went wrong."""
    asked = asyncio.create_task(up.asked_to_stop())
    working = asyncio.create_task(work)
    await asyncio.wait({asked, working}, return_when=asyncio.FIRST_COMPLETED)
    for task in (asked, working):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


async def _cycle(story: play.Story, closed: list[dict[str, object]], *, once: bool) -> None:
    while True:
        closed.append(report(*await story.once()))
        if once:
            return
        await asyncio.sleep(5)


def report(out: play.Change, back: play.Change) -> dict[str, object]:
    """Return the demo's last line."""
    return {
        "loop": "closed",
        "service": scene.SERVICE,
        "out": {"from": out.before, "to": out.after},
        "in": {"from": back.before, "to": back.after},
        "stages_ms": out.stages_ms,
        "correlation_id": out.correlation_id,
    }


@contextlib.asynccontextmanager
async def opened(target: str, backend: str, name: str) -> AsyncIterator[play.Story]:
    """Run the whole scene while the context is open."""
    from concierge_cli import house  # noqa: PLC0415 - see up.py
    from concierge_cli.demo import stage  # noqa: PLC0415

    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="concierge-demo-")))
        host = await stage.host(target)
        customers = stack.enter_context(balancer.serving(host, play.QUIET))
        config = scene.build(folder, target, backend, host, customers.url)
        stack.push_async_callback(await stage.provision(config, backend))
        config = await stage.place(stack, config, name, folder, customers.url)
        running = await stack.enter_async_context(house.open_house(config, folder))
        story = await stack.enter_async_context(play.watching(running.link, customers))
        story.bus = running.config.nats.url
        yield story
