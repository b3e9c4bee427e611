"""The composition root: options → sources → run, and the application's exit code."""

import os
import signal

if os.getpid() == 1:  # it has no default: what comes while the rest is imported would be lost
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

import asyncio
import contextlib
import sys
from collections.abc import Iterator

from concierge_courier import children, once, options, run, shape, sources, troubles
from concierge_proto import errors


def main() -> None:
    troubles.to_stderr()
    with asyncio.Runner() as runner:
        code = _main(runner)
        with contextlib.suppress(OSError):  # what could not be printed was told where it was
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # a look-up of a name that hangs in a thread would hold the end up


def _main(runner: asyncio.Runner) -> int:
    try:
        chosen = options.parse(sys.argv[1:], os.environ)
        return runner.run(_start(chosen))
    except children.NotStarted as error:
        print(f"concierge-courier: {error}", file=sys.stderr)
        return error.code
    except errors.Permanent as error:
        print(f"concierge-courier: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return children.exit_code(-signal.SIGINT)
    except asyncio.CancelledError:
        return children.exit_code(-signal.SIGTERM)


async def _start(chosen: options.Options) -> int:
    if chosen.action == "maintenance":
        return once.maintenance(chosen)
    made = shape.shaped(sources.make(chosen.sources, chosen.keys), chosen.shaping)
    if chosen.action == "run" and not chosen.dry_run:
        return await run.run(chosen, made)
    with _ended_by_sigterm():
        if chosen.dry_run:
            return await once.dry_run(chosen, made)
        if chosen.action == "discover":
            return await once.show_names(chosen, made)
        return await once.deliver(chosen, made)


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let it end what a source has started, too: an agent that has waited long enough sends it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    loop.add_signal_handler(signal.SIGTERM, lambda: task and task.cancel())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


if __name__ == "__main__":
    main()
