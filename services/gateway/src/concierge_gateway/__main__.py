"""`concierge-gateway --config FILE`: the gateway alone."""

import gc
from collections.abc import Sequence

import uvloop

from concierge_gateway import run
from concierge_proto.bus import alone

YOUNG = 20_000
"""New objects between two searches for cycles: Python's own 700 cost 5 % of a flood of webhooks, which leave none."""


def main(argv: Sequence[str] | None = None) -> None:
    gc.freeze()
    gc.set_threshold(YOUNG)
    alone.main("gateway", "Webhooks in, commands out.", run.run, argv, uvloop.run)


if __name__ == "__main__":
    main()
