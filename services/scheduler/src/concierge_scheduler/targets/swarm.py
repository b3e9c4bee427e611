"""Services of a swarm: two listings at once show them, `docker service update --replicas` changes one."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec

from concierge_proto import errors, settings
from concierge_proto.settings import labels
from concierge_scheduler.targets import docker, failures, port, preflight, tasks

TRIES = 6
"""Of an update that met somebody else's; eight at once need four."""
JITTER = 0.1
"""Seconds, times the number of the try."""


_TASK = '{"id":{{json .ID}},"task":{{json (.Label "com.docker.swarm.task.id")}}}'


class _Container(msgspec.Struct, frozen=True):
    id: str
    task: str


class _Cluster(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="ID", default="")


class _Info(msgspec.Struct, frozen=True, rename="pascal"):
    control_available: bool = False
    cluster: _Cluster | None = None


class Swarm:
    """Services of one swarm, asked at one of its managers."""

    whole = True

    def __init__(self, name: str, target: settings.Target, services: Mapping[str, settings.Service]) -> None:
        self.name = name
        self._client = docker.Client(name, target, services)
        self.lasting = self._client.lasting
        self._ids: dict[str, str] = {}

    async def identity(self) -> str:
        info = self._client.decode(_Info, await self._client.run("info", "--format", "{{json .Swarm}}"))
        if not info.control_available or info.cluster is None:
            raise errors.Permanent(
                f"target {self.name}: the engine is no swarm manager; point its `host` or `context` at one"
            )
        return f"swarm/{info.cluster.id}"

    async def read(self) -> dict[str, port.Observed]:
        """Two listings side by side. A name is compared in full: Docker also takes the beginning of an id."""
        wanted = tuple(self._client.names.values())
        if not wanted:
            return {}
        services, all_tasks = await asyncio.gather(
            self._client.rows(tasks.Service, "service", "inspect", "--format", "{{json .}}", *wanted),
            self._client.rows(tasks.Task, "service", "ps", "--no-trunc", "--format", "{{json .}}", *wanted),
        )
        there = {service.spec.name: service for service in services}
        self._ids = {name: service.id for name, service in there.items()}
        return {
            ours: tasks.observed(ours, there[theirs], (task for task in all_tasks if task.service == theirs))
            for ours, theirs in self._client.names.items()
            if theirs in there
        }

    async def scale(self, service: str, count: int, intent: str) -> None:
        target = await self._id(self._client.called(service))
        label = ("--label-add", f"{tasks.LABEL}={intent}")
        await self._update(
            service, ("--replicas", str(count), *label, target), lambda: self._told(target, count)
        )

    async def act(self, service: str, deed: port.Deed) -> None:
        """Restart by rolling the service, resize by its limits, which rolls it too; signal what this engine runs."""
        target = await self._id(self._client.called(service))
        if deed.verb == "signal":
            ids = await self._here(service, deed)
            await self._client.call("kill", "--signal", deed.signal, *ids)
        elif deed.verb == "restart" and not deed.every:
            await self._replace(service, deed)
        else:
            label = ("--label-add", f"{tasks.LABEL}={deed.intent}")
            await self._update(service, (*_options(deed), *label, target), _always)

    async def _replace(self, service: str, deed: port.Deed) -> None:
        """End tasks politely: swarm puts others into their places."""
        spec = await self._spec(self._client.called(service))
        template = spec.task_template if spec else tasks.Template()
        if template.restarts != "any":
            raise errors.Permanent(
                f"target {self.name}: {service} has the restart condition {template.restarts!r}, so swarm might not "
                "replace the task; restart the whole service, or set `restart_policy.condition: any`"
            )
        ids = await self._here(service, deed)
        await self._client.call("stop", "--time", str(template.grace), *ids)

    async def _update(
        self, service: str, words: tuple[str, ...], done: Callable[[], Awaitable[bool]]
    ) -> None:
        """Detached: the client's own waiting can hang for good. Again while somebody else's update comes between."""
        for attempt in range(1, TRIES + 1):
            answer = await self._client.ask("service", "update", "--detach", "--quiet", *words)
            if not failures.raced(answer) and (answer.code or await done()):
                break
            await asyncio.sleep(attempt * JITTER * random.random())  # noqa: S311 - only to part the racers
        if answer.code:
            raise failures.read(f"target {self.name}: {service}", answer)

    async def _here(self, service: str, deed: port.Deed) -> list[str]:
        """Return the tasks' containers; those on other nodes are out of this engine's reach."""
        listing = ("ps", "--no-trunc", "--filter", "label=com.docker.swarm.task.id", "--format", _TASK)
        here = {row.task: row.id for row in await self._client.rows(_Container, *listing)}
        far = [one.name for one in deed.instances if one.id not in here]
        if far:
            raise errors.Permanent(
                f"target {self.name}: {', '.join(far)} of {service} runs on another node; "
                f"{deed.verb} it by a target that points at that node"
            )
        return [here[one.id] for one in deed.instances]

    async def _told(self, target: str, count: int) -> bool:
        """Whether the surplus has been told to go.

        Swarm loses that order to a task that is just starting (its log: `failed to update task to REMOVE`) and never
        repeats it. The next update does, also with the same number.
        """
        words = ("service", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", "{{json .}}")
        return len(await self._client.rows(tasks.Task, *words, target)) <= count

    async def why_not(self, service: str, most: int) -> str:
        theirs = self._client.called(service)
        spec = await self._spec(theirs)
        if spec is None:
            return f"the swarm has no service {theirs}: `docker service ls` shows them"
        if spec.mode.replicated is None:
            return f"{theirs} is no replicated service and has no number: create it with `--mode replicated`"
        return preflight.fits(theirs, spec.task_template.need, most, await self._nodes())

    async def _spec(self, name: str) -> tasks.Spec | None:
        found = await self._client.rows(tasks.Service, "service", "inspect", "--format", "{{json .}}", name)
        return next((one.spec for one in found if one.spec.name == name), None)

    async def _nodes(self) -> list[preflight.Node]:
        names = (await self._client.run("node", "ls", "--quiet")).split()
        shape = "{{json .Description.Resources}}"
        found = await self._client.rows(tasks.Reserved, "node", "inspect", "--format", shape, *names)
        return [preflight.Node(one.memory_bytes, one.nano_cpus) for one in found]

    def attend(self, names: Mapping[str, str]) -> None:
        self._client.names = dict(names)

    async def labels(self) -> dict[str, dict[str, str]]:
        """Of the services themselves (`deploy.labels` of a stack): a change of those restarts no task."""
        listing = ("service", "ls", "--quiet", "--filter", f"label={labels.ENABLE}")
        ids = (await self._client.run(*listing)).split()
        if not ids:
            return {}
        rows = await self._client.rows(tasks.Service, "service", "inspect", "--format", "{{json .}}", *ids)
        return {one.spec.name: one.spec.labels or {} for one in rows}

    async def close(self) -> None:
        await self._client.close()

    async def _id(self, name: str) -> str:
        if name not in self._ids:
            await self.read()
        if name not in self._ids:
            raise errors.Permanent(
                f"target {self.name}: no such service: {name}; `docker service ls` shows them"
            )
        return self._ids[name]


async def _always() -> bool:
    return True


def _options(deed: port.Deed) -> tuple[str, ...]:
    if deed.verb == "restart":
        return ("--force",)
    cpus = ("--limit-cpu", f"{deed.cpus:g}") if deed.cpus else ()
    return (*cpus, *(("--limit-memory", str(deed.memory)) if deed.memory else ()))


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - the registry's word
    name: str,
    config: settings.Target,
    services: dict[str, settings.Service],
    nats_url: str,  # noqa: ARG001 - tasks are told by their own service
) -> AsyncIterator[port.Target]:
    """Give the target for as long as it is needed."""
    target = Swarm(name, config, services)
    try:
        yield target
    finally:
        await target.close()
