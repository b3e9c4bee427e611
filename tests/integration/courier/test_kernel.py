"""The kernel's own figures in real snapshots: of the container, and of whatever process is the application now."""

from concierge_proto import bus, messages
from tests.integration.courier import scene

APPLICATION = ("sh", "-c", "sleep 0.4; exit 3")


def kinds(snapshot: messages.Snapshot) -> set[str]:
    return {block.kind for block in snapshot.blocks}


def failed(snapshot: messages.Snapshot) -> bool:
    """Return whether it was not there; one that was not read in time says nothing."""
    return any(one.name == "process" and one.error and one.elapsed_ms == 0 for one in snapshot.sources)


async def test_the_container_and_the_process_in_one_snapshot(run: scene.Run, link: bus.Bus) -> None:
    async with run("--source", "container", "--source", "process", "--", "sleep", "60"):
        snapshot = await scene.first(scene.snapshots(link), lambda found: "process" in kinds(found))
    assert kinds(snapshot) >= {"item", "filesystem", "process"}
    (block,) = (block for block in snapshot.blocks if block.kind == "process")
    row = {field: value for _, field, value in block.cells()}
    assert block.names == ("application",)
    assert 0 < int(row["rss"]) < 20_000_000
    assert row.get("tree_processes", 1) == row["threads"] == 1  # absent where more than 1,000 processes run
    assert "system.cpu.load[all,avg1]" in scene.facts(snapshot)


async def test_shaping_leaves_the_process_watched(run: scene.Run, link: bus.Bus) -> None:
    async with run("--source", "process", "--include", "process[*,rss]", "--", "sleep", "60"):
        snapshot = await scene.first(scene.snapshots(link), lambda found: "process" in kinds(found))
    (block,) = (block for block in snapshot.blocks if block.kind == "process")
    assert block.fields == ("rss",)


async def test_an_application_that_starts_again_is_found_again(run: scene.Run, link: bus.Bus) -> None:
    async with run("--source", "process", "--restarts", "always", "--", *APPLICATION):
        stored = scene.snapshots(link)
        await scene.first(stored, lambda found: "process" in kinds(found))
        gone = await scene.first(stored, failed)
        assert "process" not in kinds(gone)
        await scene.first(stored, lambda found: "process" in kinds(found))
