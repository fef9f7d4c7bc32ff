"""Booleans as Table Schema writes them by default."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Fault, Typed, where_true

TRUE_VALUES = ("true", "True", "TRUE", "1")
FALSE_VALUES = ("false", "False", "FALSE", "0")

_WORDS = pa.array([*TRUE_VALUES, *FALSE_VALUES], pa.string())


def cast_boolean(text: pa.StringArray) -> Typed:
    """One of the true or false values, exactly → bool."""
    index = pc.index_in(text, value_set=_WORDS)
    wrong = where_true(pc.and_(index.is_null(), text.is_valid()))
    faults = [Fault("invalid_type", "boolean. Expected true | false", wrong)] if wrong.size else []
    return Typed(pc.less(index, len(TRUE_VALUES)), faults)
