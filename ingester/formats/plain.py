"""The plain form: what every file that is no delimited text becomes before it is read, so that one reader reads all.

A row is a line, its cells stand between unit separators, and nothing is quoted; what would be in the way is written as
a substitute character and a letter. A cell that had a type of its own where it came from (a date of a workbook, a
number of JSON) is marked, and has canonical text: it need not be read the way that people write such values. Blank
lines are no rows, and keep line numbers what they were in the file.
A record that cannot be read, as a line of JSON Lines that is no JSON, is a row with more cells than any other: its
text, marked, and then empty ones.

    SUB A: SUB    SUB B: US    SUB C: LF    SUB D: CR    SUB E: "    SUB F: a byte order mark, which readers drop
    SUB Z: nothing    SUB T: a typed cell    SUB X: a broken record    SUB G: the delimiter, of text with escapes

What turns it back is in `rewritten.py`. Nothing here loads Arrow: the process that reads workbooks writes it, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.size import in_words

SEPARATOR = "\x1f"
ESCAPE = "\x1a"
#: What typed cells, rows of one empty cell, and broken records begin with.
TYPED = ESCAPE + "T"
EMPTY = ESCAPE + "Z"
BROKEN = ESCAPE + "X"
#: Of text with escape characters only.
ESCAPED_DELIMITER = ESCAPE + "G"
#: The substitute itself comes first where text is written, last where it is read.
WRITTEN = {ESCAPE: "A", SEPARATOR: "B", "\n": "C", "\r": "D", '"': "E", "\ufeff": "F"}
_ODD = re.compile('[\x1a\x1f\n\r"\ufeff]')
_WRITE = str.maketrans({character: ESCAPE + code for character, code in WRITTEN.items()})
_FLUSH_ROWS = 4096


class Bounds(Protocol):
    """The limits that a plain file is held to; `Limits` has them."""

    @property
    def rows(self) -> int:
        """Rows at most."""

    @property
    def columns(self) -> int:
        """Columns at most."""

    @property
    def unpacked_bytes(self) -> int:
        """Bytes of the whole at most."""

    @property
    def cell_bytes(self) -> int:
        """Bytes of a cell at most."""


def text(value: str) -> str:
    """A cell of text in plain form."""
    return value.translate(_WRITE) if _ODD.search(value) else value


def typed(canonical: str) -> str:
    """A cell that had a type: a plain decimal, `true`, an ISO 8601 date or time; nothing in it needs to be escaped."""
    return TYPED + canonical


class PlainWriter:
    """Writes a plain file, holding the limits on rows, columns and cells.

    A `with` block; raises UnreadableFile: `too_large` over a limit, `unreadable_file` for text that is none.
    """

    def __init__(self, path: Path, width: int, limits: Bounds) -> None:
        if width > limits.columns:
            raise too_large(f"{width} columns; at most {limits.columns} are allowed")
        self._path = path
        self._limits = limits
        self._lines: list[str] = []
        #: The line that is written next.
        self._line = 1
        self._bytes = 0
        self.rows = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._file.close()

    def write(self, cells: Sequence[str], line: int = 0) -> None:
        """Add a row of cells as `text` and `typed` make them; fewer or more than the header has are a ragged row.

        `line` is where the row stands in its file, if that is further down than the line that comes next.
        """
        row = SEPARATOR.join(cells)
        if len(row) * 4 > self._limits.cell_bytes:
            self._check_cells(cells)
        self.rows += 1
        if self.rows > self._limits.rows:
            raise too_large(f"over {self._limits.rows} rows")
        self.skip_to(line)
        self._lines.append(row or EMPTY)
        self._line += 1
        if len(self._lines) >= _FLUSH_ROWS or len(row) > 1 << 16:
            self._flush()

    def skip_to(self, line: int) -> None:
        """Have what is written next stand on a line further down."""
        if line > self._line:
            self._lines.append("\n" * (line - self._line - 1))
            self._line = line

    def write_lines(self, lines: memoryview, rows: int) -> None:
        """Add rows that are lines in plain form already, each with its line end."""
        self.rows += rows
        if self.rows > self._limits.rows:
            raise too_large(f"over {self._limits.rows} rows")
        self._flush()
        self._count(len(lines))
        self._file.write(lines)
        self._line += rows

    def write_broken(self, raw: str, width: int, line: int = 0) -> None:
        """Add a record that cannot be read, as it was sent; other rows have `width` cells."""
        self.write([BROKEN + text(raw), *[""] * width], line)

    def _check_cells(self, cells: Sequence[str]) -> None:
        for cell in cells:
            if len(cell) * 4 > self._limits.cell_bytes and len(cell.encode()) > self._limits.cell_bytes:
                raise too_large(f"a cell of over {in_words(self._limits.cell_bytes)} in row {self.rows + 1}")

    def _flush(self) -> None:
        if self._lines:
            try:
                whole = ("\n".join(self._lines) + "\n").encode()
            except UnicodeEncodeError:
                raise unreadable(f"half a character, as \\ud800, in one of the rows up to {self.rows}") from None
            self._count(len(whole))
            self._file.write(whole)
            self._lines.clear()

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.unpacked_bytes:
            raise too_large(f"over {in_words(self._limits.unpacked_bytes)} as a table")


def too_large(expected: str) -> UnreadableFile:
    """The error for a file that is over a limit."""
    return UnreadableFile("too_large", notice.message("too_large", expected=expected))


def unreadable(reason: str) -> UnreadableFile:
    """The error for a file that cannot be read; `reason` is for the customer."""
    return UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
