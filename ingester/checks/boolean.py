"""Booleans: the words of the field, Table Schema's own unless it says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Fault, Typed, where_true


class BooleanCast:
    """One of the true or false values, exactly → bool."""

    def __init__(self, true_values: Sequence[str], false_values: Sequence[str]) -> None:
        self._words = pa.array([*true_values, *false_values], pa.string())
        self._true_count = len(true_values)
        self._expected = f"boolean. Expected {true_values[0]} | {false_values[0]}"

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        index = pc.index_in(text, value_set=self._words)
        wrong = where_true(pc.and_(index.is_null(), text.is_valid()))
        faults = [Fault("invalid_type", self._expected, wrong)] if wrong.size else []
        return Typed(pc.less(index, self._true_count), faults)
