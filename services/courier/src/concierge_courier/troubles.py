"""What the courier says on stderr, which is the application's: the first failure, and the recovery."""

import logging
import sys

_MOST = 3
"""Different complaints of one outage that are worth a line."""
_BUS = ("concierge_proto.bus", "concierge_courier.online")


class Trouble:
    """One thing that can fail again and again."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._failing = False

    def failed(self, reason: str) -> None:
        if not self._failing:
            self._log.warning("%s: %s", self._what, reason)
        self._failing = True

    def fine(self) -> None:
        if self._failing:
            self._log.warning("%s: fine again", self._what)
        self._failing = False


class FirstOnly(logging.Filter):
    """Of the connection, which complains twice a second while NATS is away: each text once per outage."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_BUS):
            return True
        if record.levelno < logging.WARNING:
            ended, self._said = bool(self._said), set()
            return ended
        text = record.getMessage()
        new = text not in self._said and len(self._said) < _MOST
        if new:
            self._said.add(text)
        return new


def to_stderr() -> None:
    """Send this process's few lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("concierge-courier: %(message)s"))
    handler.addFilter(FirstOnly())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
