"""Cells turned back into what they were before a file was rewritten, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.formats.plain import BROKEN, EMPTY, ESCAPE, ESCAPED_DELIMITER, SEPARATOR, TYPED, WRITTEN

#: The substitute itself comes first where text is written, last where it is read.
_READ = [(ESCAPE + code, character) for character, code in reversed(WRITTEN.items())]

#: What a spreadsheet takes for a formula, apostrophes in front or not; after OWASP's page on CSV injection.
FORMULA = "\\A'*[=+\\-@\\t\\r\\n\\x00\uff1d\uff0b\uff0d\uff20]"
_GUARDED = "\\A'" + FORMULA.removeprefix("\\A")

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


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
    #: Whether it was made safe for a spreadsheet, by apostrophes in front of what would be formulas.
    guarded: bool = False

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
        restored: list[str] = self._column(pa.array(cells, pa.string()))[0].to_pylist()
        return restored

    def _column(self, column: pa.StringArray) -> tuple[pa.StringArray, Mask | None]:
        data = column.buffers()[2]
        content = b"" if data is None else memoryview(data).cast("B")
        mask = None
        if self.escaped and (np.frombuffer(content, np.uint8) == ord(ESCAPE)).any():
            column, mask = _unescaped(column, self.escaped_delimiter)
        if self.quote != '"' or self.delimiter != SEPARATOR:
            column = self._exchanged(column)
        if self.guarded:
            column = unguarded(column)
        return column, mask

    def _exchanged(self, column: pa.StringArray) -> pa.StringArray:
        if self.delimiter != SEPARATOR:
            column = pc.replace_substring(column, SEPARATOR, self.delimiter)
        if self.quote != '"' and self.quote:
            # What is swapped twice is what it was; no cell has the character that stands in between.
            for old, new in (('"', "\x1d"), (self.quote, '"'), ("\x1d", self.quote)):
                column = pc.replace_substring(column, old, new)
        return column


def unguarded(column: pa.StringArray) -> pa.StringArray:
    """Without the apostrophe that reports put before what a spreadsheet would run."""
    at = pc.match_substring_regex(column, _GUARDED)
    return pc.if_else(at, pc.utf8_slice_codeunits(column, 1), column) if at.true_count else column


def _unescaped(column: pa.StringArray, delimiter: str) -> tuple[pa.StringArray, Mask | None]:
    is_typed = pc.starts_with(column, TYPED)
    mask = is_typed.to_numpy(zero_copy_only=False)
    if mask.any():
        # Not `binary_slice`, which fails on some cells.
        bare = pc.utf8_slice_codeunits(column.filter(is_typed), len(TYPED))
        column = bare if mask.all() else pc.replace_with_mask(column, is_typed, bare)
    odd = np.flatnonzero(pc.match_substring(column, ESCAPE).to_numpy(zero_copy_only=False))
    if odd.size:
        chosen = column.take(pa.array(odd))
        for mark, meant in ((EMPTY, ""), (BROKEN, ""), (ESCAPED_DELIMITER, delimiter)):
            chosen = pc.replace_substring(chosen, mark, meant)
        for code, character in _READ:
            chosen = pc.replace_substring(chosen, code, character)
        replaced = np.zeros(len(column), np.bool_)
        replaced[odd] = True
        column = pc.replace_with_mask(column, pa.array(replaced), chosen)
    return column, mask if mask.any() else None
