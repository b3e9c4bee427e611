"""What the labels of a target's services say, as its scheduler published it."""

from datetime import datetime

import msgspec


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """One service that brings its policy with it."""

    called: str
    """What Docker calls it."""
    labels: dict[str, str]
    """Its `concierge.…` labels, as written; `concierge_proto.settings.labels` reads them."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One service whose labels are not listened to: never half a policy."""

    called: str
    """What Docker calls it."""
    label: str
    """The label that is wrong."""
    value: str = ""
    """What it says."""
    reason: str
    """What is wrong with it, and the remedy."""

    @property
    def words(self) -> str:
        said = f"{self.label}={self.value}" if self.value else self.label
        return f"{self.called}: {said}: {self.reason}"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One target's value in the bucket `concierge_found`; it changes when the labels do."""

    target: str
    services: dict[str, Labelled] = {}
    """By our name."""
    refused: tuple[Refused, ...] = ()
    at: datetime
