"""The plain form: what every file that is no delimited text becomes before it is read, so that one reader reads all.

A row is a line, its cells stand between unit separators, and nothing is quoted; what would be in the way is written as
a substitute character and a letter. A cell that had a type of its own where it came from (a date of a workbook, a
number of JSON) is marked, and has canonical text: it need not be read the way that people write such values. Blank
lines are no rows, and keep line numbers what they were in the file.

    SUB A: SUB    SUB B: US    SUB C: LF    SUB D: CR    SUB E: "    SUB Z: nothing    SUB T: a typed cell
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits

SEPARATOR = "\x1f"
ESCAPE = "\x1a"
_TYPED = ESCAPE + "T"
_EMPTY = ESCAPE + "Z"
#: Of text with escape characters only.
ESCAPED_DELIMITER = ESCAPE + "G"
#: The substitute itself comes first where text is written, last where it is read.
_WRITTEN = {ESCAPE: "A", SEPARATOR: "B", "\n": "C", "\r": "D", '"': "E"}
_ODD = re.compile('[\x1a\x1f\n\r"]')
_WRITE = str.maketrans({character: ESCAPE + code for character, code in _WRITTEN.items()})
_READ = [(ESCAPE + code, character) for character, code in reversed(_WRITTEN.items())]
_FLUSH_ROWS = 4096

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


def text(value: str) -> str:
    """A cell of text in plain form."""
    return value.translate(_WRITE) if _ODD.search(value) else value


def typed(canonical: str) -> str:
    """A cell that had a type: a plain decimal, `true`, an ISO 8601 date or time; nothing in it needs to be escaped."""
    return _TYPED + canonical


class PlainWriter:
    """Writes a plain file, holding the limits on rows, columns and cells.

    A `with` block; raises UnreadableFile (`too_large`) over a limit.
    """

    def __init__(self, path: Path, width: int, limits: Limits) -> None:
        if width > limits.columns:
            raise too_large(f"{width} columns; at most {limits.columns} are allowed")
        self._path = path
        self._width = width
        self._limits = limits
        self._lines: list[str] = []
        #: The line that is written next.
        self._line = 1
        self.rows = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8", newline="", errors="surrogatepass")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
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
        if line > self._line:
            self._lines.append("\n" * (line - self._line - 1))
            self._line = line
        self._lines.append(row or _EMPTY)
        self._line += 1
        if len(self._lines) >= _FLUSH_ROWS or len(row) > 1 << 16:
            self._flush()

    def _check_cells(self, cells: Sequence[str]) -> None:
        for cell in cells:
            if len(cell) * 4 > self._limits.cell_bytes and len(cell.encode()) > self._limits.cell_bytes:
                raise too_large(f"a cell of over {self._limits.cell_bytes >> 20} MiB in row {self.rows + 1}")

    def _flush(self) -> None:
        if self._lines:
            self._file.write("\n".join(self._lines) + "\n")
            self._lines.clear()


def too_large(expected: str) -> UnreadableFile:
    """The error for a file that is over a limit."""
    return UnreadableFile("too_large", notice.message("too_large", expected=expected))


@dataclass(frozen=True, slots=True)
class Rewritten:
    """How cells were changed on the way to where the reader found them, and are changed back.

    `escaped`: substitutes stand in them. `quote` was exchanged for `"`, `delimiter` stands as a unit separator,
    `escaped_delimiter` as a substitute where it had been escaped.
    """

    escaped: bool = False
    quote: str = '"'
    delimiter: str = SEPARATOR
    escaped_delimiter: str = ""

    def restore(self, table: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[int, Mask]]:
        """The cells as they were, and which cells of which columns are typed."""
        columns, marked = [], {}
        for position, column in enumerate(table.columns):
            column, mask = self._column(column)
            columns.append(column)
            if mask is not None:
                marked[position] = mask
        return pa.record_batch(columns, names=table.schema.names), marked

    def restore_row(self, cells: Sequence[str]) -> list[str]:
        """The cells of one row as they were."""
        if not cells:
            return []
        table = pa.record_batch([pa.array([cell], pa.string()) for cell in cells], list(map(str, range(len(cells)))))
        return [column[0].as_py() for column in self.restore(table)[0].columns]

    def _column(self, column: pa.StringArray) -> tuple[pa.StringArray, Mask | None]:
        data = column.buffers()[2]
        content = b"" if data is None else memoryview(data).cast("B")
        mask = None
        if self.escaped and (np.frombuffer(content, np.uint8) == ord(ESCAPE)).any():
            column, mask = _unescaped(column, self.escaped_delimiter)
        if self.quote != '"' or self.delimiter != SEPARATOR:
            column = self._exchanged(column)
        return column, mask

    def _exchanged(self, column: pa.StringArray) -> pa.StringArray:
        if self.delimiter != SEPARATOR:
            column = pc.replace_substring(column, SEPARATOR, self.delimiter)
        if self.quote != '"' and self.quote:
            # What is swapped twice is what it was; no cell has the character that stands in between.
            for old, new in (('"', "\x1d"), (self.quote, '"'), ("\x1d", self.quote)):
                column = pc.replace_substring(column, old, new)
        return column


def _unescaped(column: pa.StringArray, delimiter: str) -> tuple[pa.StringArray, Mask | None]:
    is_typed = pc.starts_with(column, _TYPED)
    mask = is_typed.to_numpy(zero_copy_only=False)
    if mask.all():
        return pc.binary_slice(column.cast(pa.binary()), 2).cast(pa.string()), mask
    if mask.any():
        bare = pc.binary_slice(column.cast(pa.binary()), 2).cast(pa.string())
        column = pc.if_else(is_typed, bare, column)
    odd = np.flatnonzero(pc.match_substring(column, ESCAPE).to_numpy(zero_copy_only=False))
    if odd.size:
        chosen = column.take(pa.array(odd))
        chosen = pc.replace_substring(pc.replace_substring(chosen, _EMPTY, ""), ESCAPED_DELIMITER, delimiter)
        for code, character in _READ:
            chosen = pc.replace_substring(chosen, code, character)
        replaced = np.zeros(len(column), np.bool_)
        replaced[odd] = True
        column = pc.replace_with_mask(column, pa.array(replaced), chosen)
    return column, mask if mask.any() else None
