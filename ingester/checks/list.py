"""Lists in one cell: items of one type between delimiters → canonical JSON text. A wrong item makes its cell wrong."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import BLANKS, without
from ingester.checks.fault import Cast, Fault, Positions, Typed, present
from ingester.checks.member import json_values
from ingester.ruleset.model import FieldType


class ListCast:
    """Cells of one list field; `cast` is that of its items."""

    def __init__(self, delimiter: str, item_type: FieldType, cast: Cast) -> None:
        self._delimiter = delimiter
        self._item_type = item_type
        self._cast = cast
        self._expected = f"list. Expected {item_type} items separated by {delimiter}"

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        lists = pc.split_pattern(text, self._delimiter)
        items = pc.ascii_trim(lists.flatten(), characters=BLANKS)
        typed = self._cast(items)
        failed = np.flatnonzero(~present(typed.values))
        wrong: Positions = np.unique(pc.list_parent_indices(lists).to_numpy()[failed])
        fragments = pa.ListArray.from_arrays(lists.offsets, json_values(typed.values, self._item_type))
        joined = pc.binary_join(fragments, ",")
        values = without(pc.binary_join_element_wise("[", joined, "]", ""), wrong)
        if text.null_count:
            values = pc.if_else(text.is_valid(), values, pa.scalar(None, pa.string()))
        return Typed(values, [Fault("invalid_type", self._expected, wrong)] if wrong.size else [])
