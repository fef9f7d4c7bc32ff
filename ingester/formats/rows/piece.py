"""The pieces of a delimited file: consecutive bytes that hold whole rows, found one after the other.

The quick way is `cut`; where it cannot verify the bytes, `mend` reads that piece. A piece knows the numbers of its
rows and lines, so that pieces can be parsed in any order and by any thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ingester.formats.rows.cut import Positions, cut
from ingester.formats.rows.mend import RECORD_LIMIT, Mended, mend

#: A piece has about as many rows at most, however short they are.
_MOST_ROWS = 80_000
_SAMPLE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `raw` at `offset` of the file, and the well-formed rows `data` to parse: the same, unless `mended`.

    `starts` is where each row begins in `data`. Row numbers count from 1, line numbers too.
    """

    offset: int
    raw: bytes | memoryview
    data: bytes | memoryview
    starts: Positions
    #: Line ends before each row of `data`; None if row i is line i.
    lines: Positions | None
    first_row: int
    first_line: int
    line_count: int
    mended: Mended | None = None

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.offset + len(self.raw)

    @property
    def next_row(self) -> int:
        """The number of the first row after this piece."""
        return self.first_row + self.starts.size + (len(self.mended.broken) if self.mended else 0)

    def row_numbers(self) -> Positions:
        """The number of each row of `data`."""
        if self.mended:
            return self.first_row + np.array(self.mended.row_numbers, np.int64)
        return np.arange(self.first_row, self.first_row + self.starts.size)

    def line_numbers(self) -> Positions:
        """The physical line on which each row of `data` begins."""
        if self.lines is None:
            return np.arange(self.first_line, self.first_line + self.starts.size)
        return self.first_line + self.lines

    def lines_of(self, rows: Positions) -> Positions:
        """The physical line on which each of `rows`, broken ones too, begins."""
        if self.mended is None:
            place = rows - self.first_row
            return self.first_line + (place if self.lines is None else self.lines[place])
        numbers = np.concatenate((self.row_numbers(), self.first_row + np.array(self.mended.broken_numbers, np.int64)))
        lines = np.concatenate((self.line_numbers(), self.first_line + np.array(self.mended.broken_lines, np.int64)))
        order = np.argsort(numbers)
        return lines[order][np.searchsorted(numbers[order], rows)]


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the pieces of one open file. At byte `size` the rows end, `block_bytes` is what a piece aims at."""

    descriptor: int
    size: int
    delimiter: str
    width: int
    block_bytes: int

    def pieces(self, offset: int, line: int) -> Iterator[Piece]:
        """All pieces from `offset`, where the first row begins on line number `line`.

        Raises UnreadableFile for a row over `RECORD_LIMIT`.
        """
        row = 1
        while offset < self.size:
            piece = self._next(offset, row, line)
            yield piece
            offset, row, line = piece.end, piece.next_row, line + piece.line_count

    def again(self, offset: int, end: int, first_row: int, first_line: int) -> Piece:
        """A piece found before, from its own extent."""
        # The extent ends where a row ends, so what follows in the file does not matter.
        piece = self._find(self.read(offset, end), True, offset, first_row, first_line)
        assert piece is not None, "bytes that end with a row have a reading"
        return piece

    def read(self, offset: int, end: int) -> bytes:
        """The bytes of a piece found before."""
        return os.pread(self.descriptor, end - offset, offset)

    def _next(self, offset: int, row: int, line: int) -> Piece:
        wanted, cut_short = self._aim(offset), False
        while True:
            data = os.pread(self.descriptor, min(wanted, self.size - offset), offset)
            if not data:
                raise OSError(f"the file ends at byte {offset}; it had {self.size} bytes when it was opened")
            if piece := self._find(data, offset + len(data) >= self.size, offset, row, line):
                if len(piece.starts) <= 2 * _MOST_ROWS or cut_short:
                    return piece
                wanted, cut_short = len(data) * _MOST_ROWS // len(piece.starts), True
                continue
            # One row is longer than the block; `mend` raises once it has seen RECORD_LIMIT bytes of it.
            wanted = min(wanted * 2, max(RECORD_LIMIT, self.block_bytes))

    def _aim(self, offset: int) -> int:
        """Bytes to begin with: what a row costs beside its bytes counts as well, so short ones make a smaller piece."""
        sample = os.pread(self.descriptor, _SAMPLE_BYTES, offset)
        lines = max(1, sample.count(b"\n"))
        return min(self.block_bytes, max(_SAMPLE_BYTES, len(sample) * _MOST_ROWS // lines))

    def _find(self, data: bytes, at_end: bool, offset: int, row: int, line: int) -> Piece | None:
        if found := cut(data, at_end, self.delimiter):
            # A view: most of a block is copied for nothing otherwise.
            raw = memoryview(data)[: found.end]
            return Piece(offset, raw, raw, found.starts, found.lines, row, line, found.line_count)
        mended = mend(data, at_end, self.delimiter, self.width, first_line=line)
        if not mended.end:
            return None
        lengths = np.array([0, *map(len, mended.rows)], np.int64)
        starts = np.cumsum(lengths)[:-1]
        lines = np.array(mended.lines, np.int64)
        return Piece(
            offset, data[: mended.end], b"".join(mended.rows), starts, lines, row, line, mended.line_count, mended
        )
