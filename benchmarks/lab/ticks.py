"""An application that counts its own ticks, and tells them when it is told to stop. Runs in a container, alone.

`python3 ticks.py FILE`
"""

import json
import signal
import sys
import time
from types import FrameType

TICK = 0.1
"""Seconds."""
CODE = 5
"""Of its exit."""


def stop(_: int, __: FrameType | None) -> None:
    raise SystemExit(CODE)


def tick(file: str) -> None:
    """Write the times of all ticks, in monotonic seconds, at the end."""
    ticks = []
    try:
        while True:
            ticks.append(time.monotonic())
            time.sleep(TICK)
    finally:
        with open(file, "w", encoding="utf-8") as out:  # noqa: PTH123 - as light as can be
            json.dump(ticks, out)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    tick(sys.argv[1])
