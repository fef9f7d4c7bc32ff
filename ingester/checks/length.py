"""`minLength` and `maxLength`: Unicode characters of a text, items of an array."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.array import item_counts
from ingester.checks.cells import lengths
from ingester.checks.fault import Column, Constraint, Positions, Violations, where_true
from ingester.ruleset.model import Field, FieldType


def length(field: Field) -> list[Constraint]:
    """The limits of one field."""
    is_array = field.type is FieldType.ARRAY
    unit = "item" if is_array else "character"
    found = []
    if (least := field.constraints.min_length) is not None:
        found.append(Constraint("too_short", _counted(least, unit), _shorter(least, is_array)))
    if (most := field.constraints.max_length) is not None:
        found.append(Constraint("too_long", _counted(most, unit), _longer(most, is_array)))
    return found


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _shorter(least: int, is_array: bool) -> Violations:
    def violations(column: Column) -> Positions:
        return where_true(pc.less(_sizes(column, is_array), least))

    return violations


def _longer(most: int, is_array: bool) -> Violations:
    def violations(column: Column) -> Positions:
        # Bytes are counted already: as many characters at most, and one item more.
        if lengths(column.text).max(initial=0) + is_array <= most:
            return np.empty(0, np.int64)
        return where_true(pc.greater(_sizes(column, is_array), most))

    return violations


def _sizes(column: Column, is_array: bool) -> pa.Array:
    return item_counts(column.values) if is_array else pc.utf8_length(column.text)
