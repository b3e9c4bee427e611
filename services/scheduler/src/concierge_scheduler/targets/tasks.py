"""A swarm's services and tasks, as Docker lists them, and what they say together. Pure."""

import re
from collections.abc import Iterable

import msgspec

from concierge_scheduler.targets import port, preflight

LABEL = "concierge.intent"
"""On the service itself, where it restarts no task: tells after a take-over what was done."""
ROLLING = frozenset({"updating", "rollback_started"})
PAUSED = frozenset({"paused", "rollback_paused"})
"""By a failure. Every update of the service takes the rollout up again, also one of its number alone."""
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
    stop_grace_period: int = 10 * 10**9
    """Nanoseconds."""


class _Restart(msgspec.Struct, frozen=True, rename="pascal"):
    condition: str = "any"


class Reserved(msgspec.Struct, frozen=True, rename="pascal"):
    memory_bytes: int = 0
    nano_cpus: int = msgspec.field(name="NanoCPUs", default=0)


class _Resources(msgspec.Struct, frozen=True, rename="pascal"):
    reservations: Reserved = Reserved()


class Template(msgspec.Struct, frozen=True, rename="pascal"):
    container_spec: _Container = _Container()
    restart_policy: _Restart | None = None
    resources: _Resources | None = None

    @property
    def need(self) -> preflight.Need:
        kept = self.resources.reservations if self.resources else Reserved()
        return preflight.Need(kept.memory_bytes, kept.nano_cpus)

    @property
    def restarts(self) -> str:
        """When a task that has ended is replaced: `any`, `on-failure`, `none`."""
        return self.restart_policy.condition if self.restart_policy else "any"

    @property
    def grace(self) -> int:
        """Seconds from the polite to the hard end of a task."""
        return self.container_spec.stop_grace_period // 10**9


class _Replicated(msgspec.Struct, frozen=True, rename="pascal"):
    replicas: int = 0


class _Mode(msgspec.Struct, frozen=True, rename="pascal"):
    replicated: _Replicated | None = None


class Spec(msgspec.Struct, frozen=True, rename="pascal"):
    name: str
    labels: dict[str, str] | None = None
    mode: _Mode = _Mode()
    task_template: Template = Template()


class _Update(msgspec.Struct, frozen=True, rename="pascal"):
    state: str = ""
    message: str = ""


class Service(msgspec.Struct, frozen=True, rename="pascal"):
    """A line of `docker service inspect`."""

    id: str = msgspec.field(name="ID")
    spec: Spec
    update_status: _Update | None = None

    @property
    def rollout(self) -> str:
        """Its state; empty: none was ever made, or the service has been updated since."""
        return self.update_status.state if self.update_status else ""

    @property
    def stuck(self) -> str:
        if self.update_status is None or self.rollout not in PAUSED:
            return ""
        return (
            f"its rollout is paused ({self.update_status.message}), and a new number would take it up again: "
            f"`docker service rollback {self.spec.name}`, or deploy what works"
        )


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
        changing=service.rollout in ROLLING | PAUSED,
        stuck=service.stuck,
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
