"""A line whose quotes are broken, as it was probably meant.

No row is ever imported from such a line. But whoever looks at it wants to see its cells, and a header's names are known
from those of the rules.
"""

from __future__ import annotations

import re
from bisect import bisect, bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTE = ord('"')
_WHOLE = re.compile(rb'"(?:[^"]++|"")*+"')
#: Bytes of a line that is puzzled over, and its delimiters and quotes.
_LONGEST = 64 << 10
_MOST = 1000
#: As few cells as possible are taken for oddly quoted; beyond so many it makes no difference.
_ODD = 3


@dataclass(frozen=True, slots=True)
class Likely:
    """Cells; `is_only` if they are as many as were wanted, and no other way of telling them apart comes to that."""

    cells: list[bytes]
    is_only: bool = False


def likely(line: bytes, delimiter: bytes, width: int) -> Likely:
    """The cells of a line without its end: `width` of them if that can be, else a number near it; few have odd quotes.

    A cell that begins with a quote ends at one that a delimiter or the end follows, whatever quotes are inside it; or
    its quote is a character like others, and it ends at the next delimiter.
    """
    if len(line) > _LONGEST or line.count(delimiter) > _MOST or line.count(b'"') > _MOST:
        return Likely(line.split(delimiter))
    return _Puzzle(line, delimiter).solved(width)


class _Puzzle:
    """Ways through a line, from where a cell begins to where the next one does; each is known by its index."""

    def __init__(self, line: bytes, delimiter: bytes) -> None:
        self._line = line
        delimiter = re.escape(delimiter)
        self._starts = [0, *(match.end() for match in re.finditer(delimiter, line))]
        index = {start: place for place, start in enumerate([*self._starts, len(line) + 1])}
        #: Where a quoted cell may end, and the index of the cell after it.
        self._closing = [match.start() for match in re.finditer(rb'"(?=%b|\Z)' % delimiter, line)]
        self._after = [index[at + 2] for at in self._closing]
        #: By index, a bit for each number of cells that the rest may have: with so many odd ones at most, the last
        #: with any number of them; and those that it may have in two ways.
        self._within = [[0] * len(index) for _ in range(_ODD + 2)]
        self._twice = [0] * len(index)
        for counts in self._within:
            counts[-1] = 1
        self._count()

    def _count(self) -> None:
        """From the end to the beginning: a quoted cell may end where a later one may, and at the quotes between."""
        within, twice = self._within, self._twice
        most = len(within) - 1
        quoted, quoted_twice = [0] * len(within), 0
        left = len(self._closing)
        for place in range(len(self._starts) - 1, -1, -1):
            start, end = self._starts[place], self._end(place)
            while left and self._closing[left - 1] > start:
                left -= 1
                then = self._after[left]
                quoted_twice |= twice[then] << 1 | quoted[most] & within[most][then] << 1
                quoted = [ways | counts[then] << 1 for ways, counts in zip(quoted, within, strict=True)]
            plain = int(_QUOTE in self._line[start:end])
            for odd, counts in enumerate(within):
                if odd >= plain:
                    counts[place] = within[self._less(odd, plain)][place + 1] << 1
            twice[place] = twice[place + 1] << 1
            if self._opens(start):
                twice[place] |= quoted_twice
                if left == len(self._after) or self._after[left] != place + 1:
                    # Else it ends there with its quote or without, which is one way.
                    twice[place] |= quoted[most] & within[most][place]
                whole = self._whole(start)
                for odd, counts in enumerate(within):
                    if whole is not None:
                        counts[place] |= counts[self._after[whole]] << 1
                    if odd:
                        counts[place] |= quoted[self._less(odd, 1)]

    def _less(self, odd: int, by: int) -> int:
        """How many odd cells the rest may have; any number if it was any number."""
        return odd if odd == len(self._within) - 1 else odd - by

    def _opens(self, start: int) -> bool:
        return self._line[start : start + 1] == b'"'

    def _end(self, place: int) -> int:
        """Where a cell without quotes ends."""
        return self._starts[place + 1] - 1 if place + 1 < len(self._starts) else len(self._line)

    def _whole(self, start: int) -> int | None:
        """Which of the closing quotes ends a cell as quoted cells should."""
        found = _WHOLE.match(self._line, start)
        at = bisect_left(self._closing, found.end() - 1) if found else len(self._closing)
        return at if found and at < len(self._closing) and self._closing[at] == found.end() - 1 else None

    def solved(self, width: int) -> Likely:
        possible = self._within[-1][0]
        counts = [count for count in range(possible.bit_length()) if possible >> count & 1]
        count = min(counts, key=lambda each: (abs(each - width), each))
        odd = next(odd for odd, counts in enumerate(self._within) if counts[0] >> count & 1)
        cells, place = [], 0
        for left in range(count - 1, -1, -1):
            cell, place, odd = next(
                (cell, after, rest)
                for cell, after, is_odd in self._ways(place)
                if (rest := self._less(odd, is_odd)) >= 0 and self._within[rest][after] >> left & 1
            )
            cells.append(cell)
        return Likely(cells, count == width and not self._twice[0] >> width & 1)

    def _ways(self, place: int) -> Iterator[tuple[bytes, int, bool]]:
        """Where a cell may end, the likeliest first, and whether that would be odd."""
        line, start, end = self._line, self._starts[place], self._end(place)
        if self._opens(start):
            whole = self._whole(start)
            first = bisect(self._closing, start)
            for at in [*([] if whole is None else [whole]), *range(first, len(self._closing))]:
                text = line[start + 1 : self._closing[at]].replace(b'""', b'"')
                yield text, self._after[at], at != whole
        yield line[start:end], place + 1, _QUOTE in line[start:end]
