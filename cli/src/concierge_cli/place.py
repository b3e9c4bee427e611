"""Where things are: the configuration, its state folder, and the bus."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from concierge_proto import bus, errors, settings
from concierge_proto.bus import access, found

_CANDIDATES = (Path("concierge.toml"), Path("/etc/concierge/concierge.toml"))
_BUS = "CONCIERGE_NATS__URL"
PATIENCE = 10.0
"""Seconds that a command waits for NATS; services wait for ever."""


class Place:
    """One configuration and what belongs to it."""

    def __init__(self, config: Path | None = None) -> None:
        self._given = config

    @property
    def path(self) -> Path:
        """The configuration's file; raises Permanent where there is none."""
        if self._given:
            return self._given
        for candidate in _CANDIDATES:
            if candidate.exists():
                return candidate
        raise errors.Permanent(
            "no configuration: there is neither ./concierge.toml nor /etc/concierge/concierge.toml; "
            f"`concierge init` writes one, `--config FILE` names another; to look at events, {_BUS} is enough",
        )

    def load(self) -> settings.Settings:
        """Return the settings of the file; without a file those of an environment that names the bus."""
        return settings.load(None if self._bare else self.path)

    @property
    def _bare(self) -> bool:
        return not self._given and _BUS in os.environ and not any(one.exists() for one in _CANDIDATES)

    def known(self) -> settings.Settings:
        """Return the configuration with what labels add now; where it allows none, the file alone, without a bus."""
        config = self.load()
        return asyncio.run(self._merged(config)) if found.listening(config) else config

    async def _merged(self, config: settings.Settings) -> settings.Settings:
        async with self.bus() as link:
            return await found.merged(link, config)

    @property
    def state(self) -> Path:
        """A folder that belongs to this configuration alone."""
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        mark = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:8]
        return Path(base) / "concierge" / f"{self.path.resolve().parent.name}-{mark}"

    @property
    def _url(self) -> Path:
        return self.state / "nats.url"

    @contextlib.contextmanager
    def told(self, url: str) -> Iterator[None]:
        """Let other commands find the embedded server while the context is open."""
        self.state.mkdir(parents=True, exist_ok=True)
        self._url.write_text(url, "utf-8")
        try:
            yield
        finally:
            self._url.unlink(missing_ok=True)

    def nats(self) -> settings.Nats:
        """Return where the bus is: the configuration's, else the one `concierge up` runs."""
        where = self.load().nats
        if where.url:
            return where
        try:
            return msgspec.structs.replace(where, url=self._url.read_text("utf-8"))
        except OSError:
            raise errors.Permanent(
                f"no bus: {self.path} names no nats.url, and `concierge up` does not run with it",
            ) from None

    @contextlib.asynccontextmanager
    async def bus(self, who: str = "desk") -> AsyncIterator[bus.Bus]:
        """Connect to the bus; raises Permanent where there is none to be found: who looks does not wait for ever."""
        where = self.nats()
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(PATIENCE):
                    link = await stack.enter_async_context(bus.connect(where, who))
            except TimeoutError:
                raise errors.Permanent(
                    f"no bus: {access.shown(where.url)} does not answer within {PATIENCE:g} s: "
                    "does NATS run there, and is nats.url right?",
                ) from None
            yield link


def with_folders(config: settings.Settings, state: Path) -> settings.Settings:
    """Give every target of processes a folder that belongs to this configuration."""
    targets = {
        name: msgspec.structs.replace(target, directory=target.directory or str(state / "targets" / name))
        for name, target in config.targets.items()
    }
    return msgspec.structs.replace(config, targets=targets)
