"""`python -m benchmarks [NAME]`: list the figures, or measure one."""

import sys

from benchmarks import figures


def main(words: list[str]) -> int:
    """Return 0: all that was asked for was measured and reached."""
    if not words:
        return everything()
    found = next((figure for figure in figures.ALL if figure.name == words[0]), None)
    if found is None:
        names = ", ".join(figure.name for figure in figures.ALL)
        return refuse(f"no benchmark named {words[0]!r}; there are: {names}")
    if not found.built:
        return refuse(f"{found.name} is not built yet; it must reach {found.reach} against {found.against}")
    return found.measure()


def everything() -> int:
    """Measure what is built, after a list of all."""
    for figure in figures.ALL:
        state = "" if figure.built else "not built yet"
        print(f"{figure.name:9} {figure.what:56} {figure.reach:28} {state}".rstrip())
    built = [figure for figure in figures.ALL if figure.built]
    if not built:
        return refuse("no benchmark is built yet: there is nothing to measure")
    return max(figure.measure() for figure in built)


def refuse(why: str) -> int:
    print(f"bench: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
