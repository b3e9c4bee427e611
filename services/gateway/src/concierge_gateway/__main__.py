"""`concierge-gateway --config FILE`: the gateway alone."""

from collections.abc import Sequence

import uvloop

from concierge_gateway import run
from concierge_proto.bus import alone


def main(argv: Sequence[str] | None = None) -> None:
    alone.main("gateway", "Webhooks in, commands out.", run.run, argv, uvloop.run)


if __name__ == "__main__":
    main()
