"""Booleans: the words of the field, Table Schema's own unless it says otherwise."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Fault, Typed, where_true
from ingester.ruleset.model import Field

#: Words that a message names; the data dictionary has them all.
_NAMED = 8


class BooleanCast:
    """One of a field's true or false values, exactly → bool."""

    def __init__(self, field: Field) -> None:
        self._words = pa.array([*field.true_values, *field.false_values], pa.string())
        self._true_count = len(field.true_values)
        pairs = itertools.zip_longest(*field.words)
        words = [word for pair in pairs for word in pair if word is not None]
        named = words[:_NAMED] + ["…"] * (len(words) > _NAMED)
        self._expected = f"boolean. Expected {' | '.join(named)}"

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        index = pc.index_in(text, value_set=self._words)
        wrong = where_true(pc.and_(index.is_null(), text.is_valid()))
        faults = [Fault("invalid_type", self._expected, wrong)] if wrong.size else []
        return Typed(pc.less(index, self._true_count), faults)
