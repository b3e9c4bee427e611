"""The terminal that the courier was started on, when there is one: the application's while it runs."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

from concierge_courier import children


@contextlib.contextmanager
def handed_to(pid: int) -> Iterator[None]:
    """Hand it over to the child's group: Ctrl-C then reaches it once, from the terminal, and not us."""
    if not _in_foreground():
        yield
        return
    ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a group in the background may not hand over
    try:
        _give(pid)
        children.kill(pid, signal.SIGCONT, group=True)  # it may have asked for the terminal before it had it
        yield
    finally:
        _give(os.getpgrp())
        signal.signal(signal.SIGTTOU, ignored)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _give(group: int) -> None:
    with contextlib.suppress(OSError):
        os.tcsetpgrp(sys.stdin.fileno(), group)
