"""Services of a swarm: two listings at once show them, `docker service update --replicas` changes one."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Iterable, Mapping

import msgspec

from concierge_proto import errors, settings
from concierge_scheduler.targets import docker, failures, port, preflight

TRIES = 6
"""Of an update that met somebody else's; eight at once need four."""
JITTER = 0.1
"""Seconds, times the number of the try."""
LABEL = "concierge.intent"
"""On the service itself, where it restarts no task: tells after a take-over what was done."""
ROLLING = frozenset({"updating", "rollback_started"})
ENDED = frozenset({"Complete", "Shutdown", "Failed", "Rejected", "Orphaned", "Remove"})


class Task(msgspec.Struct, frozen=True, rename="pascal"):
    """A line of `docker service ps`."""

    id: str = msgspec.field(name="ID")
    name: str
    node: str
    desired_state: str
    current_state: str
    error: str

    @property
    def state(self) -> str:
        return self.current_state.partition(" ")[0]

    @property
    def service(self) -> str:
        return self.name.lstrip(" \\_").rpartition(".")[0]

    @property
    def slot(self) -> str:
        return self.name.rpartition(".")[2]


class _Container(msgspec.Struct, frozen=True, rename="pascal"):
    hostname: str = ""


class _Reserved(msgspec.Struct, frozen=True, rename="pascal"):
    memory_bytes: int = 0
    nano_cpus: int = msgspec.field(name="NanoCPUs", default=0)


class _Resources(msgspec.Struct, frozen=True, rename="pascal"):
    reservations: _Reserved = _Reserved()


class _Template(msgspec.Struct, frozen=True, rename="pascal"):
    container_spec: _Container = _Container()
    resources: _Resources | None = None

    @property
    def need(self) -> preflight.Need:
        kept = self.resources.reservations if self.resources else _Reserved()
        return preflight.Need(kept.memory_bytes, kept.nano_cpus)


class _Replicated(msgspec.Struct, frozen=True, rename="pascal"):
    replicas: int = 0


class _Mode(msgspec.Struct, frozen=True, rename="pascal"):
    replicated: _Replicated | None = None


class _Spec(msgspec.Struct, frozen=True, rename="pascal"):
    name: str
    labels: dict[str, str] | None = None
    mode: _Mode = _Mode()
    task_template: _Template = _Template()


class _Update(msgspec.Struct, frozen=True, rename="pascal"):
    state: str = ""


class Service(msgspec.Struct, frozen=True, rename="pascal"):
    """A line of `docker service inspect`."""

    id: str = msgspec.field(name="ID")
    spec: _Spec
    update_status: _Update | None = None


class _Cluster(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="ID", default="")


class _Info(msgspec.Struct, frozen=True, rename="pascal"):
    control_available: bool = False
    cluster: _Cluster | None = None


class Swarm:
    """Services of one swarm, asked at one of its managers."""

    def __init__(self, name: str, target: settings.Target, services: Mapping[str, settings.Service]) -> None:
        self.name = name
        self._client = docker.Client(name, target, services)
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
        services, tasks = await asyncio.gather(
            self._client.rows(Service, "service", "inspect", "--format", "{{json .}}", *wanted),
            self._client.rows(Task, "service", "ps", "--no-trunc", "--format", "{{json .}}", *wanted),
        )
        there = {service.spec.name: service for service in services}
        self._ids = {name: service.id for name, service in there.items()}
        return {
            ours: observed(ours, there[theirs], (task for task in tasks if task.service == theirs))
            for ours, theirs in self._client.names.items()
            if theirs in there
        }

    async def scale(self, service: str, count: int, intent: str) -> None:
        """Detached: the client's own waiting can hang for good."""
        target = await self._id(self._client.called(service))
        label = ("--label-add", f"{LABEL}={intent}")
        words = ("service", "update", "--replicas", str(count), *label, "--detach", "--quiet", target)
        for attempt in range(1, TRIES + 1):
            answer = await self._client.ask(*words)
            if not failures.raced(answer) and (answer.code or await self._told(target, count)):
                break
            await asyncio.sleep(attempt * JITTER * random.random())  # noqa: S311 - only to part the racers
        if answer.code:
            raise failures.read(f"target {self.name}: {service}", answer)

    async def _told(self, target: str, count: int) -> bool:
        """Whether the surplus has been told to go.

        Swarm loses that order to a task that is just starting (its log: `failed to update task to REMOVE`) and never
        repeats it. The next update does, also with the same number.
        """
        words = ("service", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", "{{json .}}")
        return len(await self._client.rows(Task, *words, target)) <= count

    async def why_not(self, service: str, most: int) -> str:
        theirs = self._client.called(service)
        found = await self._client.rows(Service, "service", "inspect", "--format", "{{json .}}", theirs)
        spec = next((one.spec for one in found if one.spec.name == theirs), None)
        if spec is None:
            return f"the swarm has no service {theirs}: `docker service ls` shows them"
        if spec.mode.replicated is None:
            return f"{theirs} is no replicated service and has no number: create it with `--mode replicated`"
        return preflight.fits(theirs, spec.task_template.need, most, await self._nodes())

    async def _nodes(self) -> list[preflight.Node]:
        names = (await self._client.run("node", "ls", "--quiet")).split()
        shape = "{{json .Description.Resources}}"
        found = await self._client.rows(_Reserved, "node", "inspect", "--format", shape, *names)
        return [preflight.Node(one.memory_bytes, one.nano_cpus) for one in found]

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


def observed(name: str, service: Service, tasks: Iterable[Task]) -> port.Observed:
    """Return the service as its tasks show it: also those that are told to go and have not gone."""
    instances = tuple(
        _instance(service, task)
        for task in sorted(tasks, key=lambda task: (len(task.slot), task.slot))
        if task.desired_state != "Shutdown" and task.state not in ENDED
    )
    replicated = service.spec.mode.replicated
    return port.Observed(
        service=name,
        wanted=replicated.replicas if replicated else len(instances),
        changing=service.update_status is not None and service.update_status.state in ROLLING,
        instances=instances,
        intent=(service.spec.labels or {}).get(LABEL, ""),
    )


def _instance(service: Service, task: Task) -> port.Instance:
    running = task.state == "Running"
    return port.Instance(
        id=task.id,
        name=f"{task.service}.{task.slot}",
        hostname=hostname(service, task),
        running=running,
        healthy=running,  # a task with a health check is `Starting` until it passes
        detail=f"{task.current_state} {task.error}".rstrip(),
    )


def hostname(service: Service, task: Task) -> str:
    """Return the hostname if the service's template tells it; empty: Docker's own, which no listing shows."""
    known = {
        ".Service.ID": service.id,
        ".Service.Name": service.spec.name,
        ".Task.ID": task.id,
        ".Task.Name": f"{task.service}.{task.slot}.{task.id}",
        ".Task.Slot": task.slot,
        ".Node.Hostname": task.node,
    }
    template = service.spec.task_template.container_spec.hostname
    filled = re.sub(r"{{\s*(\S+?)\s*}}", lambda field: known.get(field[1], field[0]), template)
    return "" if "{{" in filled else filled
