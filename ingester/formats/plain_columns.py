"""Whole columns made rows in plain form, with no Python object for a cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.domain.size import in_words
from ingester.formats.plain import EMPTY, ESCAPE, SEPARATOR, TYPED, WRITTEN, too_large

_TEXT = pa.large_string()
_ODD = np.zeros(256, np.bool_)
_ODD[[character.encode()[0] for character in WRITTEN]] = True


def escaped(column: pa.Array) -> pa.Array:
    """Cells of text in plain form."""
    column = column.cast(_TEXT)
    data = column.buffers()[2]
    if data is None or not _ODD[np.frombuffer(data, np.uint8)].any():
        return column
    for character, code in WRITTEN.items():
        if pc.any(pc.match_substring(column, character)).as_py():
            column = pc.replace_substring(column, character, ESCAPE + code)
    return column


def typed_column(column: pa.Array) -> pa.Array:
    """Cells that had a type, from canonical text; a null stays one."""
    return pc.binary_join_element_wise(_scalar(TYPED), column.cast(_TEXT), _scalar(""))


def lines(columns: Sequence[pa.Array], cell_bytes: int, first_row: int) -> memoryview:
    """Rows with their line ends, of columns as `escaped` and `typed_column` make them; null is empty.

    Raises UnreadableFile (`too_large`) for a cell of more than `cell_bytes`.
    """
    for column in columns:
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > cell_bytes:
            row = first_row + pc.index(pc.binary_length(column), longest).as_py()
            raise too_large(f"a cell of over {in_words(cell_bytes)} in row {row}")
    filled = [column.fill_null("") for column in columns]
    if len(filled) == 1:
        filled = [pc.if_else(pc.equal(filled[0], ""), _scalar(EMPTY), filled[0])]
    *before, last = filled
    ended = pc.binary_join_element_wise(last, _scalar(""), _scalar("\n"))
    rows = pc.binary_join_element_wise(*before, ended, _scalar(SEPARATOR)) if before else ended
    _, offsets, data = rows.buffers()
    ends = np.frombuffer(offsets, np.int64)
    return memoryview(data).cast("B")[ends[rows.offset] : ends[rows.offset + len(rows)]]


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)
