"""The gateway's OpenAPI contract, tried by schemathesis against a real gateway and a real NATS; not part of CI.

    pip install schemathesis
    python -m tests.fuzz.contract [--max-examples 100]

Every request carries a good operator's token; what it says of the answers is checked: no status that the contract
does not name, bodies as promised. Exit code: schemathesis's own.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from concierge_cli import nats
from concierge_proto import bus, settings
from tests.integration.gateway import house

CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"
"""No 5xx but 503, for the contract names no other; and 503 is right once the queue, which nobody works off, is full."""


async def main(extra: list[str]) -> int:
    """Run the gateway and schemathesis against it; return its exit code."""
    tool = shutil.which("st")
    if not tool:
        raise SystemExit("no `st` on PATH: pip install schemathesis")
    with tempfile.TemporaryDirectory(prefix="concierge-contract-") as folder:
        async with (
            nats.server(Path(folder) / "store", Path(folder) / "run") as url,
            bus.connect(settings.Nats(url=url), "contract") as link,
        ):
            await bus.provision(link)
            config = house.configuration(Path(folder))
            (Path(folder) / "token").write_text("token-of-ann")  # one header opens every door
            async with house.serving(config, link) as client:
                child = await asyncio.create_subprocess_exec(
                    tool,
                    "run",
                    f"{client.http.base_url}/openapi.json",
                    *("--checks", CHECKS, "--header", "Authorization: Bearer token-of-ann"),
                    *(extra or ["--max-examples", "100"]),
                )
                return await child.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
