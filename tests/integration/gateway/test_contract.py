"""What the gateway's OpenAPI promises, held against what it answers, by schemathesis."""

from pathlib import Path

from concierge_proto import bus
from tests.fuzz import contract
from tests.integration.gateway import house

SAME = ("--max-examples", "15", "--generation-deterministic")


async def test_every_answer_is_one_that_the_contract_names(link: bus.Bus, tmp_path: Path) -> None:
    config = house.configuration(tmp_path)
    (tmp_path / "token").write_text(contract.TOKEN)
    async with house.serving(config, link) as client:
        code, said = await contract.tried(client, tmp_path, *SAME)
        paths = (await client.http.get("/openapi.json")).json()["paths"]
    assert code == 0, said
    operations = sum(len(methods) for methods in paths.values())
    assert f"Tested: {operations}\n" in said
