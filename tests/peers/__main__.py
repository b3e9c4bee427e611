"""The command line: ``python3 -m tests.peers run|install|check``."""

import argparse
import asyncio
import dataclasses
import json
import os
import sys

from . import place, runner, stock


def main() -> int:
    options = arguments(sys.argv[1:])
    at = place.here()
    if options.action == "check":
        return report(asyncio.run(stock.check(at)), as_json=options.json)
    if options.action == "install":
        return asyncio.run(stock.fill(at, options.parts))
    require = options.require or os.environ.get("CI") == "true"
    return asyncio.run(runner.run(at, options.peers, options.command, require=require))


def report(lines: list[stock.Line], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([dataclasses.asdict(line) for line in lines]))
    else:
        print("\n".join(f"{line.name:12}{line.state:12}{line.detail}" for line in lines))
    return 0


def arguments(words: list[str]) -> argparse.Namespace:
    command: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    parser = argparse.ArgumentParser(prog="python3 -m tests.peers", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="start peers, run a command with their addresses, stop them")
    run.add_argument("peers", nargs="+", choices=list(runner.PEERS))
    run.add_argument("--require", action="store_true", help="fail if one is missing (as CI=true does)")
    put = actions.add_parser("install", help="fill the cache ahead of a run")
    put.add_argument("parts", nargs="+", choices=list(stock.STOCK))
    check = actions.add_parser("check", help="say what is there, what is not, and why")
    check.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    if options.action == "run" and not command:
        parser.error("say what to run: … -- COMMAND ARGS…")
    options.command = command
    return options


if __name__ == "__main__":
    sys.exit(main())
