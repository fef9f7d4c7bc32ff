"""A line whose quotes are broken, as it was probably meant.

No row is ever imported from such a line. But whoever looks at it wants to see its cells, and a header's names are known
from those of the rules.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTE = ord('"')
_WHOLE = re.compile(rb'"(?:[^"]++|"")*+"')
#: Delimiters and quotes of a line that are puzzled over.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Likely:
    """Cells, and whether no other way of telling them apart comes to as many, and to as many as were wanted."""

    cells: list[bytes]
    is_only: bool = False


def likely(line: bytes, delimiter: bytes, width: int) -> Likely:
    """The cells of a line without its end: `width` of them if that can be, else a number near it.

    A cell that begins with a quote ends at one that a delimiter or the end follows, whatever quotes are inside it; or
    its quote is a character like others, and it ends at the next delimiter.
    """
    if line.count(delimiter) > _MOST or line.count(b'"') > _MOST:
        return Likely(line.split(delimiter))
    return _Puzzle(line, delimiter).solved(width)


class _Puzzle:
    """Ways through a line, from where a cell begins to where the next one does; each is known by its index."""

    def __init__(self, line: bytes, delimiter: bytes) -> None:
        self._line = line
        self._starts = [0, *(at + 1 for at, byte in enumerate(line) if byte == delimiter[0])]
        index = {start: place for place, start in enumerate([*self._starts, len(line) + 1])}
        closing = [at for at, byte in enumerate(line) if byte == _QUOTE and at + 2 in index]
        #: Where a quoted cell may end, and the index of the cell after it.
        self._closing = closing
        self._after = [index[at + 2] for at in closing]
        #: By index, a bit for each number of cells that the rest may have, and for each that it may have in two ways.
        self._one, self._two = [0] * len(index), [0] * len(index)
        self._one[-1] = 1
        self._count()

    def _count(self) -> None:
        one = two = 0
        left = len(self._closing)
        for place in range(len(self._starts) - 1, -1, -1):
            start = self._starts[place]
            while left and self._closing[left - 1] > start:
                left -= 1
                one, two = self._with(one, two, self._after[left])
            if not self._opens(start):
                self._one[place], self._two[place] = self._with(0, 0, place + 1)
            elif left < len(self._after) and self._after[left] == place + 1:
                self._one[place], self._two[place] = one, two  # it ends there with its quote or without
            else:
                self._one[place], self._two[place] = self._with(one, two, place + 1)

    def _with(self, one: int, two: int, place: int) -> tuple[int, int]:
        more = self._one[place] << 1
        return one | more, two | self._two[place] << 1 | one & more

    def _opens(self, start: int) -> bool:
        return self._line[start : start + 1] == b'"'

    def solved(self, width: int) -> Likely:
        counts = [count for count in range(self._one[0].bit_length()) if self._one[0] >> count & 1]
        count = min(counts, key=lambda each: (abs(each - width), each))
        is_only = count == width and not self._two[0] >> width & 1
        cells, place = [], 0
        for left in range(count - 1, -1, -1):
            cell, place = next(way for way in self._ways(place) if self._one[way[1]] >> left & 1)
            cells.append(cell)
        return Likely(cells, is_only)

    def _ways(self, place: int) -> Iterator[tuple[bytes, int]]:
        """Where a cell may end, the likeliest first: as quoted cells do, at another quote, without one."""
        line, start = self._line, self._starts[place]
        if self._opens(start):
            found = list(range(bisect(self._closing, start), len(self._closing)))
            whole = _WHOLE.match(line, start)
            found.sort(key=lambda at: whole is None or self._closing[at] != whole.end() - 1)
            for at in found:
                yield line[start + 1 : self._closing[at]].replace(b'""', b'"'), self._after[at]
        end = self._starts[place + 1] - 1 if place + 1 < len(self._starts) else len(line)
        yield line[start:end], place + 1
