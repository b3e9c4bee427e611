"""Whether what has ended starts again, and after how long: as Docker's restart policies, so that nobody learns twice."""

import math
from typing import NamedTuple

from concierge_proto import errors

_FIRST, _LONGEST = 0.1, 60.0
"""Seconds of the first and the longest pause; each is twice the one before."""
STEADY = 10.0
"""Seconds that a run must last to count as a good start: the pauses and the limit begin anew."""


class Policy(NamedTuple):
    """When to start again."""

    limit: float = 0
    """Restarts in succession; inf: no limit."""
    failures_only: bool = False
    """An exit code of 0 is a good end."""


NEVER = Policy()
ALWAYS = Policy(math.inf)


def parse(text: str) -> Policy:
    """Return the policy that `no`, `3`, `always`, `on-failure` or `on-failure:3` means; raise Malformed."""
    word, _, count = text.partition(":")
    if text == "no":
        return NEVER
    if text == "always":
        return ALWAYS
    if text.isdecimal():
        return Policy(int(text))
    if word == "on-failure" and (not count or count.isdecimal()) and not text.endswith(":"):
        return Policy(int(count) if count else math.inf, failures_only=True)
    raise errors.Malformed(f"{text!r}: write `no`, a number, `always`, `on-failure` or `on-failure:3`")


class Ends:
    """Counts the ends of one thing."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._row = 0
        self.total = 0
        """Restarts since the beginning."""

    def after(self, exit_code: int, lasted: float) -> float | None:
        """Return the seconds to wait before the next start; None when it is not started again.

        Args:
            exit_code: Of the run that has ended.
            lasted: Its seconds.
        """
        if lasted >= STEADY:
            self._row = 0
        if self._row >= self._policy.limit or (self._policy.failures_only and not exit_code):
            return None
        pause = min(_FIRST * 2.0 ** min(self._row, 20), _LONGEST)
        self._row += 1
        self.total += 1
        return pause
