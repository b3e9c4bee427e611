"""The lines of a page but for their values: taken away from the next page, they leave its values.

A value is what remains of a line when its head is removed. Whether every head was there to be removed shows in
the number of characters that went, which costs nothing to know.
"""

import bisect
from array import array
from collections.abc import Iterable, Iterator

NOTHING = "0"
"""In place of the value of a line that is no sample."""


class Layout:
    """Of one page, as latin-1, so that characters are bytes."""

    def __init__(self) -> None:
        self._heads: list[str] = []
        self._others = array("l")
        """Lines that are no samples; their head is all of them."""
        self._weights = array("l", [0])
        """Characters that the lines up to here lose."""

    def sample(self, head: str) -> None:
        """Add a line that is `head` and then a value."""
        self._heads.append(head)
        self._weights.append(self._weights[-1] + len(head))

    def other(self, line: str) -> None:
        """Add a line that is the same each time."""
        self._others.append(len(self._heads))
        self._heads.append(line)
        self._weights.append(self._weights[-1] + len(line) - len(NOTHING))

    def __len__(self) -> int:
        return len(self._heads)

    def values(self, pieces: Iterable[bytes]) -> tuple[list[str], bytes | None]:
        """Return what stands behind the heads, a line each, and the first piece that has other lines.

        What was returned of the pieces before is all that is needed to make a page of them again.
        """
        at = 0
        found: list[str] = []
        for piece in pieces:
            text = piece.decode("latin-1")
            lines = text.split("\n")
            words = list(map(str.removeprefix, lines, self._heads[at : at + len(lines)]))
            if not self._blank(lines, words, at):
                return found, piece
            values = "\n".join(words)
            lost, at = self._weights[at], at + len(lines)
            if len(text) - len(values) != self._weights[at] - lost:
                return found, piece
            found.append(values)
        return found, None

    def page(self, values: list[str]) -> Iterator[bytes]:
        """Yield the pieces that had these."""
        at = 0
        for piece in values:
            words = piece.split("\n")
            for other in self._within(at, len(words)):
                words[other - at] = ""
            heads = self._heads[at : at + len(words)]
            yield "\n".join(map(str.__add__, heads, words)).encode("latin-1")
            at += len(words)

    def _blank(self, lines: list[str], words: list[str], start: int) -> bool:
        """Put NOTHING where no sample is; False when there are other lines than known."""
        if start + len(lines) > len(self):
            return False
        for other in self._within(start, len(lines)):
            if lines[other - start] != self._heads[other]:
                return False
            words[other - start] = NOTHING
        return True

    def _within(self, start: int, count: int) -> "array[int]":
        """Return those lines that are no samples."""
        first = bisect.bisect_left(self._others, start)
        return self._others[first : bisect.bisect_left(self._others, start + count)]
