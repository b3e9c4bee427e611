"""Whether the application is well: a command or an address, asked again and again."""

import asyncio
import logging
import shlex
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from concierge_courier import children, heartbeat, troubles
from concierge_proto import errors

log = logging.getLogger(__name__)

PASSING, FAILING = "passing", "failing"
ADDRESSES = ("http://", "https://", "unix:")
_MOST = 1024 * 1024
"""Bytes of an answer: nobody reads them."""


class Rules(NamedTuple):
    """How it is judged."""

    check: str
    """A command, or an address, which begins as one of ADDRESSES."""
    interval: float
    patience: float
    """Seconds of one check."""
    retries: int
    """Failures in succession until it is failing."""


class Judge:
    """One success is passing; so many failures in succession are failing; before either, nothing is said."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._failures = 0
        self.verdict = ""

    def hear(self, problem: str) -> str:
        """Take in one check (empty: it went well) and return the verdict."""
        self._failures = self._failures + 1 if problem else 0
        if not problem:
            self.verdict = PASSING
        elif self._failures >= self._retries:
            self.verdict = FAILING
        return self.verdict


Check = Callable[[], Awaitable[str]]
"""Returns what is wrong; empty when nothing is."""


async def watch(rules: Rules, check: Check, life: heartbeat.Life) -> None:
    """Judge until cancelled; anew after maintenance, during which nothing is judged, and after a restart."""
    trouble = troubles.Trouble(log, "health")
    judge = Judge(rules.retries)
    while True:
        if not life.judgeable:
            await life.until_judgeable()
            judge = Judge(rules.retries)
        problem = await check()
        if not life.judgeable:
            continue
        life.judged(judge.hear(problem))
        if judge.verdict == FAILING:
            trouble.failed(problem)
        elif judge.verdict == PASSING and not problem:
            trouble.fine()
        await asyncio.sleep(rules.interval)


def check(rules: Rules, family: children.Children) -> Check:
    """Return what asks; raise Permanent for an address or a command that is none."""
    if rules.check.startswith(ADDRESSES):
        return _address(rules)
    command = shlex.split(rules.check)

    async def ask() -> str:
        try:
            code = await family.run(command, rules.patience, quiet=True)
        except TimeoutError:
            return f"{command[0]}: no end within {rules.patience:g} s"
        except children.NotStarted as error:
            return str(error)
        return "" if code == 0 else f"{command[0]} {children.told(code)}"

    return ask


def _address(rules: Rules) -> Check:
    from concierge_courier.sources import aside, fetch, port  # noqa: PLC0415 - 2 MB that a command does not need

    new = fetch.opener(rules.check, wanted=fetch.Wanted("*/*", frozenset(range(200, 300))))
    thread = aside.Aside("health")

    async def ask() -> str:
        one = new()
        limits = port.Limits(rules.patience, _MOST)
        try:
            async with asyncio.timeout(rules.patience):
                await thread.run(lambda: fetch.read(one, limits, lambda: None), one.abort)
        except TimeoutError:
            return f"{rules.check}: no complete answer within {rules.patience:g} s"
        except errors.ConciergeError as error:
            return str(error)
        return ""

    return ask
