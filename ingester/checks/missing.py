"""Which cells hold no value: those that equal a missing value of the entity, and blank ones where "" is one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import BLANKS, content, lengths, masked, offsets
from ingester.checks.fault import Mask, where_true


class MissingValues:
    """The missing values of one entity."""

    def __init__(self, values: Sequence[str]) -> None:
        self._empty = "" in values
        words = [value for value in values if value]
        self._words = pa.array(words, pa.string()) if words else None

    def mask(self, column: pa.StringArray) -> Mask:
        """True where a cell is missing; a null is."""
        if column.null_count:
            missing: Mask = column.is_null().to_numpy(zero_copy_only=False).copy()
        else:
            missing = np.zeros(len(column), np.bool_)
        if self._empty:
            size = lengths(column)
            missing |= size == 0
            self._add_blanks(column, missing)
        if self._words is not None:
            missing[where_true(pc.is_in(column, value_set=self._words))] = True
        return missing

    def blank_out(self, column: pa.StringArray) -> tuple[pa.StringArray, Mask]:
        """The column with nulls for missing cells, and where they are."""
        missing = self.mask(column)
        return (masked(column, ~missing) if missing.any() else column), missing

    @staticmethod
    def _add_blanks(column: pa.StringArray, missing: Mask) -> None:
        starts = offsets(column)[:-1]
        if missing.any():
            filled = np.flatnonzero(~missing)
            suspects = filled[content(column)[starts[filled]] <= ord(" ")]
        else:
            suspects = np.flatnonzero(content(column)[starts] <= ord(" "))
        if suspects.size:
            trimmed = pc.ascii_trim(column.take(pa.array(suspects)), characters=BLANKS)
            missing[suspects[where_true(pc.equal(trimmed, ""))]] = True
