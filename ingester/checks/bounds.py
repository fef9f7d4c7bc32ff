"""`minimum` and `maximum`, both inclusive, compared exactly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Column, Constraint, Positions, constraint, where_true
from ingester.ruleset.model import Field, FieldType, Scalar


def bounds(field: Field, timezone: str) -> list[Constraint]:
    """The bounds of one field."""
    found = []
    for code, bound, is_minimum in (
        ("below_minimum", field.constraints.minimum, True),
        ("above_maximum", field.constraints.maximum, False),
    ):
        if bound is not None:
            found.append(constraint(code, _written(bound), _outside(field.type, bound, is_minimum, timezone)))
    return found


def _outside(kind: FieldType, bound: Scalar, is_minimum: bool, timezone: str) -> Callable[[Column], Positions]:
    if kind is FieldType.NUMBER:
        assert isinstance(bound, int | Decimal), "a bound has its field's type"
        return _DecimalBound(Decimal(bound), is_minimum)
    if isinstance(bound, datetime):
        bound = bound if bound.tzinfo else bound.replace(tzinfo=ZoneInfo(timezone))
        bound = bound.astimezone(UTC)
    compare = pc.less if is_minimum else pc.greater

    def violations(column: Column) -> Positions:
        return where_true(compare(column.values, pa.scalar(bound, column.values.type)))

    return violations


class _DecimalBound:
    """Canonical decimal text against a bound; rounding keeps order, so only equal floats need a second look."""

    def __init__(self, bound: Decimal, is_minimum: bool) -> None:
        self._bound = bound
        self._is_minimum = is_minimum
        self._compare = pc.less if is_minimum else pc.greater

    def __call__(self, column: Column) -> Positions:
        floats = pc.cast(column.values, pa.float64())
        rounded = float(self._bound)
        beyond = where_true(self._compare(floats, rounded))
        near = where_true(pc.equal(floats, rounded))
        if not near.size:
            return beyond
        encoded = column.values.take(pa.array(near)).dictionary_encode()
        numbers = [Decimal(text) for text in encoded.dictionary.to_pylist()]
        outside = np.array([n < self._bound if self._is_minimum else n > self._bound for n in numbers], np.bool_)
        return np.union1d(beyond, near[outside[encoded.indices.to_numpy()]])


def _written(bound: Scalar) -> str:
    if isinstance(bound, Decimal):
        return f"{bound:f}"
    return bound.isoformat() if isinstance(bound, date | time) else str(bound)
