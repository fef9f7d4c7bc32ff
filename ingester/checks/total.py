"""What a column of numbers comes to, exactly; cells that are no numbers are counted instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

from ingester.checks.cast import cast_of
from ingester.checks.exact import Exact
from ingester.checks.fault import present
from ingester.checks.missing import MissingValues
from ingester.checks.number import cast_number
from ingester.ruleset.model import Entity, Field, FieldType

_LIMIT = 2**63 - 1
_NUMBERS = (FieldType.NUMBER, FieldType.INTEGER)


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a column's numbers, and how many of its cells have something else in them."""

    value: Fraction = Fraction(0)
    unread: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(self.value + other.value, self.unread + other.unread)


#: Cells as sent, and what the rules made of them if they were asked → what they come to.
Summing = Callable[[pa.StringArray, pa.Array | None], Total]


def summing(entity: Entity, field: Field | None, timezone: str) -> Summing:
    """Sums up a column that holds `field`, or that no field takes."""
    missing = MissingValues(entity.missing_values)
    cast = cast_of(field, timezone) if field is not None and field.type in _NUMBERS else cast_number

    def total(cells: pa.StringArray, typed: pa.Array | None) -> Total:
        text, _ = missing.blank_out(cells)
        values = typed if typed is not None and is_number(field) else cast(text).values
        unread = int(np.count_nonzero(present(text) & ~present(values)))
        numbers = Exact.of_integers(values) if pa.types.is_integer(values.type) else Exact.of_decimals(values)
        return Total(_sum(numbers), unread)

    return total


def is_number(field: Field | None) -> bool:
    """Whether a field's typed column is one of numbers."""
    return field is not None and field.type in _NUMBERS


def _sum(numbers: Exact) -> Fraction:
    column, denominator = numbers.numerator, numbers.denominator
    assert isinstance(column, np.ndarray), "of a column"
    assert isinstance(denominator, int), "one for the whole column"
    if not column.size:
        return Fraction(0)
    if column.dtype != object and max(int(column.max()), -int(column.min())) * column.size > _LIMIT:
        column = column.astype(object)
    return Fraction(int(column.sum()), denominator)
