"""Where the rows of each piece begin, kept on disk by the first pass so that the second need not look for them again.

Four bytes a row, twice that where cells have line breaks; nothing in memory grows with the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingester.formats.rows.cut import Positions
from ingester.formats.rows.piece import Piece


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece in the index: where its numbers are, and how many of each kind."""

    at: int
    rows: int
    has_lines: bool
    line_count: int


class RowIndex:
    """The index of one file, in a file of its own at `path`; read by several threads at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0

    def clear(self) -> None:
        """Forget every piece."""
        self._path.unlink(missing_ok=True)
        self._end = 0

    def keep(self, piece: Piece) -> Entry | None:
        """Keep what is known of a piece; None for one that was mended, whose rows are not its bytes."""
        if piece.mended is not None:
            return None
        entry = Entry(self._end, piece.starts.size, piece.lines is not None, piece.line_count)
        kept = [piece.starts] if piece.lines is None else [piece.starts, piece.lines]
        with self._path.open("ab") as file:
            for numbers in kept:
                # Not `tofile`, which says nothing of a disk that is full.
                self._end += file.write(numbers.astype(np.int32).tobytes())
        return entry

    def read(self, entry: Entry) -> tuple[Positions, Positions | None]:
        """The starts of a piece's rows, and the line ends before each unless row i is line i."""
        count = entry.rows * (1 + entry.has_lines)
        numbers = np.fromfile(self._path, np.int32, count, offset=entry.at).astype(np.int64)
        return numbers[: entry.rows], numbers[entry.rows :] if entry.has_lines else None
