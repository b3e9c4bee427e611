"""One client per Docker endpoint: few children at a time, each with a deadline, none that changes a thing after our death."""

import asyncio
import concurrent.futures
import functools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from python_on_whales import client_config, exceptions, utils

from concierge_proto import errors, settings
from concierge_scheduler.targets import endpoint, failures, verdict

CHILDREN = 4
"""At once, per target: one takes up to 48 MB."""
LISTING = 10.0
"""Seconds; a listing takes 20 ms, and one that takes this long is not coming."""
KILL = 2.0
"""Seconds from the polite to the hard end of a child."""
AFTER = 10.0
"""Seconds that an engine may still be busy with what a child has asked for."""
GRACE = 5.0
"""Seconds that a call under way still gets when the target is closed."""

_FOREIGN = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    *("DOCKER_API_VERSION", "DOCKER_DEFAULT_PLATFORM", "DOCKER_STACK_ORCHESTRATOR"),
    *("COMPOSE_FILE", "COMPOSE_PATH_SEPARATOR", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"),
    *("COMPOSE_ENV_FILES", "COMPOSE_DISABLE_ENV_FILE", "COMPOSE_COMPATIBILITY", "COMPOSE_DRY_RUN"),
    *("COMPOSE_IGNORE_ORPHANS", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_PARALLEL_LIMIT", "COMPOSE_MENU"),
)
"""The configuration alone says which engine and which project; what a compose file interpolates stays."""
_LEAN = {"GOMAXPROCS": "1"}
"""A listing waits rather than computes: on one thread it is 1.5 ms faster, and takes a seventh less of the CPU."""

Row = TypeVar("Row")


class Client:
    """The docker client, pointed at one target. A hanging engine costs this target's children alone."""

    def __init__(self, name: str, target: settings.Target, services: Mapping[str, settings.Service]) -> None:
        self.who = f"target {name}"
        self.names = {ours: each.name or ours for ours, each in services.items() if each.target == name}
        """What Docker calls each service of this target, by our name."""
        self._deadline = float(target.timeout)
        self.lasting = self._deadline + KILL + AFTER
        self._refusal = functools.partial(verdict.refusal, target)
        self._docker = endpoint.client(target)
        self._shell = endpoint.Shell(target)
        self._turns = asyncio.Semaphore(CHILDREN)
        self._running: set[asyncio.Future[failures.Answer]] = set()

    def called(self, service: str) -> str:
        """Return what Docker calls it; raise Permanent if the target has no such service."""
        if service not in self.names:
            raise errors.Permanent(
                f"{self.who}: no such service: {service}: no [services.{service}] names this target"
            )
        return self.names[service]

    async def run(self, *words: str) -> str:
        """Return what a listing printed; raise Temporary or Permanent with what it said instead."""
        answer = await self.look(*words)
        if answer.said.strip() and not answer.out.strip():  # `info` ends well though only the client answered
            raise failures.read(self.who, answer)
        return self._good(answer)

    async def call(self, *words: str) -> str:
        """Return what `docker WORDS` printed, with the target's own time limit."""
        return self._good(await self.ask(*words))

    async def compose(self, *words: str) -> str:
        """Return what `docker compose WORDS` printed, asked with the target's files and project."""
        return self._good(await self._turn(lambda: self._docker.docker_compose_cmd, words))

    async def rows(self, kind: type[Row], *words: str) -> list[Row]:
        """Return what a listing printed, one JSON object a line; services that are not there are left out."""
        answer = await self.look(*words)
        out = answer.out if failures.absent(answer) else self._good(answer)
        return self.decode(list[kind], f"[{','.join(out.splitlines())}]")  # type: ignore[valid-type]

    async def ask(self, *words: str) -> failures.Answer:
        """Return what `docker WORDS` left behind, also when it failed."""
        return await self._turn(lambda: self._docker.docker_cmd, words)

    async def look(self, *words: str) -> failures.Answer:
        """Return what a listing left behind, also when it failed; as it changes nothing, it may outlive us for a moment."""
        return await self._turn(lambda: self._docker.docker_cmd, words, listing=True)

    def decode(self, kind: type[Row], text: str) -> Row:
        """Return what docker printed as JSON; raise Permanent if it is something else."""
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.MsgspecError as error:
            raise errors.Permanent(
                f"{self.who}: cannot read what docker printed ({error}): is it Docker's own client, 20.10 or newer?"
            ) from error

    async def close(self) -> None:
        """Give what is under way a moment; what hangs is ended by the kernel when we are."""
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE)

    def _good(self, answer: failures.Answer) -> str:
        if answer.code:
            raise failures.read(self.who, answer)
        return answer.out

    async def _turn(
        self, command: Callable[[], client_config.Command], words: tuple[str, ...], *, listing: bool = False
    ) -> failures.Answer:
        """A caller that is cancelled leaves; its child keeps its turn until it has ended."""
        await self._turns.acquire()
        call = functools.partial(self._call, command, words, listing=listing)
        future = asyncio.ensure_future(_threaded(lambda: self._explained(call())))
        self._running.add(future)
        future.add_done_callback(self._ended)
        return await asyncio.shield(future)

    def _call(
        self, command: Callable[[], client_config.Command], words: tuple[str, ...], *, listing: bool
    ) -> failures.Answer:
        """One child, started and waited for. Empty input: compose must not ask a terminal anything."""
        seconds = min(LISTING, self._deadline) if listing else self._deadline
        guards = [*_cleaned(self._shell.words), *([] if listing else _mourning())]
        if "ALRM" in guards:
            signal.pthread_sigmask(
                signal.SIG_BLOCK, [signal.SIGALRM]
            )  # in this thread, which is this call's alone
        guards += ["timeout", "-k", f"{KILL:g}", f"{seconds:g}"]
        lean = _LEAN if listing else {}
        try:
            out, said = utils.run([*guards, *command(), *words], input=b"", return_stderr=True, env=lean)
        except exceptions.DockerException as error:
            return failures.Answer(error.return_code, error.stdout or "", error.stderr or "")
        except UnicodeDecodeError as error:  # raised in place of the failure, over its bytes
            return failures.Answer(1, "", bytes(error.object).decode(errors="replace"))
        except (client_config.ClientNotFoundError, FileNotFoundError) as error:
            return failures.Answer(failures.NOT_FOUND[-1], "", f"no docker client ({error})")
        return failures.Answer(0, out, said)

    def _explained(self, answer: failures.Answer) -> failures.Answer:
        """Add the engine's reason when docker knows only that the connection broke."""
        reason = self._refusal() if failures.unreached(answer) else ""
        return answer._replace(said=f"{answer.said.rstrip()}\n{reason}") if reason else answer

    def _ended(self, future: asyncio.Future[failures.Answer]) -> None:
        self._running.discard(future)
        self._turns.release()


async def _threaded(call: Callable[[], failures.Answer]) -> failures.Answer:
    """Call it in a daemon thread: a pool's threads are waited for at exit, for as long as their child hangs."""
    future: concurrent.futures.Future[failures.Answer] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - handed to the one who waits
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=work, name="docker", daemon=True).start()
    return await asyncio.wrap_future(future)


def _cleaned(variables: tuple[str, ...]) -> list[str]:
    """Return what takes away the variables that are set and gives these; nothing is a millisecond less for each child."""
    words = [word for name in _FOREIGN if name in os.environ for word in ("-u", name)]
    return ["env", *words, *variables] if words or variables else []


@functools.cache
def _mourning() -> tuple[str, ...]:
    """With util-linux's setpriv a child hears of our death; BusyBox's can't.

    GNU's timeout takes a blocked SIGALRM when it has its child, and not before: a SIGTERM in the instant after its fork
    ends it alone, and the docker goes on. Another timeout may not know SIGALRM at all, so it is tried.
    """
    for name in ("ALRM", "TERM"):
        words = ("setpriv", "--pdeathsig", name)
        if _ended_by(name, *words):
            return words
    return ()


def _ended_by(name: str, *words: str) -> bool:
    """Tell whether a timeout that starts with this signal pending ends its child at once."""
    probe = (*words, "sh", "-c", f"kill -s {name} $$; exec timeout 2 sleep 2")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    try:
        done = subprocess.run(
            probe,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=1,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return done.returncode in {124, -signal.SIGTERM}
