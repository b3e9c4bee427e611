"""The lines of a page but for their values: taken away from the next page, they leave its values.

A value is what remains of a line when its head is removed. Whether every head was there to be removed shows in
the number of characters that went, which costs nothing to know.
"""

import bisect
from array import array

from concierge_courier.sources import cells

NOTHING = "0"
"""In place of the value of a line that is no sample."""


class Layout:
    """Of one page, as latin-1, so that characters are bytes."""

    def __init__(self) -> None:
        self._heads: list[str] = []
        self._others = array("l")
        """Lines that are no samples; their head is all of them."""
        self._weight = 0
        """Characters that a page of these lines loses."""

    def sample(self, head: str) -> None:
        """Add a line that is `head` and then a value."""
        self._heads.append(head)
        self._weight += len(head)

    def other(self, line: str) -> None:
        """Add a line that is the same each time."""
        self._others.append(len(self._heads))
        self._heads.append(line)
        self._weight += len(line) - len(NOTHING)

    def __len__(self) -> int:
        return len(self._heads)

    def values(self, page: bytes) -> str | None:
        """Return what stands behind the heads, a line each; None when it is a page of other lines."""
        at = lost = 0
        found: list[str] = []
        for piece in cells.pieces(page):
            text = piece.decode("latin-1")
            lines = text.split("\n")
            words = list(map(str.removeprefix, lines, self._heads[at : at + len(lines)]))
            if not self._blank(lines, words, at):
                return None
            found.append("\n".join(words))
            lost += len(text) - len(found[-1])
            at += len(lines)
            if at > len(self):
                return None
        return "\n".join(found) if (at, lost) == (len(self), self._weight) else None

    def page(self, values: str) -> bytes:
        """Return the page that had these."""
        words = values.split("\n")
        for other in self._others:
            words[other] = ""
        return "\n".join(map(str.__add__, self._heads, words)).encode("latin-1")

    def _blank(self, lines: list[str], words: list[str], start: int) -> bool:
        """Put NOTHING where no sample is; False when such a line reads otherwise."""
        first = bisect.bisect_left(self._others, start)
        for other in self._others[first : bisect.bisect_left(self._others, start + len(lines))]:
            if lines[other - start] != self._heads[other]:
                return False
            words[other - start] = NOTHING
        return True
