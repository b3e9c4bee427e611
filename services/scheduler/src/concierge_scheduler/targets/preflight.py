"""Why a service can't have as many instances as its policy allows: known before the first command. Pure.

Every function returns one sentence with the remedy, or "" where nothing stands in the way.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

MEGA = 1024 * 1024


class Port(msgspec.Struct, frozen=True):
    """A published port, as `docker compose config` writes it."""

    published: str | int = ""

    @property
    def room(self) -> int | None:
        """How many instances find a host port in it; None: the engine picks one for each."""
        first, _, last = str(self.published).partition("-")
        if first in {"", "0"}:
            return None
        return int(last) - int(first) + 1 if last else 1


class Amount(msgspec.Struct, frozen=True):
    """Memory in bytes and CPUs."""

    memory: str | int = 0
    cpus: str | float = 0


class Resources(msgspec.Struct, frozen=True):
    """What is kept for an instance, and what it can't exceed."""

    reservations: Amount = Amount()
    limits: Amount = Amount()


class Deploy(msgspec.Struct, frozen=True):
    """A service's `deploy`."""

    mode: str = ""
    resources: Resources = Resources()


class Part(msgspec.Struct, frozen=True):
    """A service of a compose file."""

    container_name: str = ""
    hostname: str = ""
    ports: tuple[Port, ...] = ()
    mem_limit: str | int = 0
    mem_reservation: str | int = 0
    deploy: Deploy = Deploy()
    labels: dict[str, str] = {}

    @property
    def need(self) -> "Need":
        """What one instance takes up: what is reserved for it, else its limit."""
        kept, limit = self.deploy.resources.reservations, self.deploy.resources.limits
        return Need(int(kept.memory or self.mem_reservation or limit.memory or self.mem_limit), 0)


class Need(NamedTuple):
    """What one instance takes up of a node; 0: not said."""

    memory: int
    nano_cpus: int


class Node(NamedTuple):
    """What a node has."""

    memory: int
    nano_cpus: int

    def holds(self, need: Need) -> int | None:
        """Return how many such instances; None: no bound is known."""
        pairs = ((self.memory, need.memory), (self.nano_cpus, need.nano_cpus))
        return min((has // wants for has, wants in pairs if wants), default=None)


def composed(name: str, part: Part, most: int) -> str:
    """Judge a service of a compose file for `most` instances."""
    if most <= 1:
        return ""
    if part.container_name:
        return f"{name} has `container_name: {part.container_name}`, so there can be one only: take it out"
    if part.hostname:
        return f"{name} has `hostname: {part.hostname}`, so its couriers could not be told apart: take it out"
    if part.deploy.mode.startswith("global"):
        return f"{name} has `deploy.mode: {part.deploy.mode}`, so it has no number: take it out"
    return next((said for one in part.ports if (said := _port(name, one, most))), "")


def _port(name: str, published: Port, most: int) -> str:
    if published.room is None or published.room >= most:
        return ""
    if published.room == 1:
        return (
            f"{name} publishes the fixed host port {published.published}: publish a range of ports, or none"
        )
    return (
        f"{name} publishes {published.room} host ports ({published.published}) and max is {most}: "
        "widen the range, or lower max"
    )


def fits(name: str, need: Need, most: int, nodes: Sequence[Node]) -> str:
    """Judge whether the nodes together hold `most` instances."""
    rooms = [node.holds(need) for node in nodes]
    held = sum(room for room in rooms if room is not None)
    if not rooms or None in rooms or held >= most:
        return ""
    wants = f"{need.memory // MEGA} MB" if need.memory else f"{need.nano_cpus / 1e9:g} CPUs"
    has = f"{sum(node.memory for node in nodes) // MEGA} MB, {sum(node.nano_cpus for node in nodes) / 1e9:g} CPUs"
    return (
        f"{name} takes {wants} an instance, so {held} fit on {len(nodes)} node(s) with {has} in all, "
        f"and max is {most}: lower max or the reservation, or add a node"
    )
