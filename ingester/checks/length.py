"""`minLength` and `maxLength`: Unicode characters of a text, items of an array or list, members of an object."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks import canonical
from ingester.checks.cells import lengths
from ingester.checks.fault import Column, Constraint, Positions, Violations, constraint, where_true
from ingester.ruleset.model import Field, FieldType

_UNITS = {FieldType.ARRAY: "item", FieldType.LIST: "item", FieldType.OBJECT: "member"}


def length(field: Field) -> list[Constraint]:
    """The limits of one field."""
    unit = _UNITS.get(field.type, "character")
    is_counted = field.type in _UNITS
    found = []
    if (least := field.constraints.min_length) is not None:
        found.append(constraint("too_short", _amount(least, unit), _shorter(least, is_counted)))
    if (most := field.constraints.max_length) is not None:
        found.append(constraint("too_long", _amount(most, unit), _longer(most, is_counted)))
    return found


def _amount(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _shorter(least: int, is_counted: bool) -> Violations:
    def violations(column: Column) -> Positions:
        return where_true(pc.less(_sizes(column, is_counted), least))

    return violations


def _longer(most: int, is_counted: bool) -> Violations:
    def violations(column: Column) -> Positions:
        # Bytes are counted already: as many characters at most, and one item more.
        if lengths(column.text).max(initial=0) + is_counted <= most:
            return np.empty(0, np.int64)
        return where_true(pc.greater(_sizes(column, is_counted), most))

    return violations


def _sizes(column: Column, is_counted: bool) -> pa.Array:
    return canonical.count(column.values) if is_counted else pc.utf8_length(column.text)
