"""The gateway's OpenAPI contract, tried by schemathesis against a real gateway and a real NATS.

    python -m tests.fuzz.contract [--max-examples 100]

CI tries the same few requests each time (tests/integration/gateway/test_contract.py); this tries others.

Every request carries a good operator's token; what it says of the answers is checked: no status that the contract
does not name, bodies as promised. Exit code: schemathesis's own.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from concierge_cli import nats
from concierge_proto import bus, settings
from tests.integration.gateway import house

CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"
"""No 5xx but 503, for the contract names no other; and 503 is right once the queue, which nobody works off, is full."""
TOKEN = "token-of-ann"


async def tried(client: house.Client, folder: Path, *options: str) -> tuple[int, str]:
    """Run schemathesis against a gateway whose one token opens every door; return its exit code and what it said."""
    child = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("st"), "run", f"{client.http.base_url}/openapi.json"),
        *("--checks", CHECKS, "--header", f"Authorization: Bearer {TOKEN}", *options),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode or 0, said.decode()


async def main(extra: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="concierge-contract-") as name:
        folder = Path(name)
        async with (
            nats.server(folder / "store", folder / "run") as url,
            bus.connect(settings.Nats(url=url), "contract") as link,
        ):
            await bus.provision(link)
            config = house.configuration(folder)
            (folder / "token").write_text(TOKEN)  # one header opens every door
            async with house.serving(config, link) as client:
                code, said = await tried(client, folder, *(extra or ["--max-examples", "100"]))
    sys.stdout.write(said)
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
