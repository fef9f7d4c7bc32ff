"""Arrays and objects in one cell. An array is JSON or `a|b|c`; both columns are canonical JSON text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks import canonical
from ingester.checks.cells import BLANKS, replaced, without
from ingester.checks.fault import Fault, Typed, where_true
from ingester.checks.list import ListCast
from ingester.checks.text import StringCast
from ingester.ruleset.model import FieldType


class ArrayCast:
    """Cells of one array field → canonical JSON text."""

    def __init__(self, delimiter: str) -> None:
        self._expected = f"array. Expected a{delimiter}b{delimiter}c or a JSON array"
        self._split = ListCast(delimiter, FieldType.STRING, StringCast("default"))

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        is_json = where_true(pc.match_substring_regex(text, rf"\A[{BLANKS}]*\["))
        split = self._split(without(text, is_json))
        wrong = [fault.positions for fault in split.faults]
        values = split.values
        if is_json.size:
            read = canonical.cast_distinct(text.take(pa.array(is_json)), _array, "")
            values = replaced(values, is_json, read.values)
            wrong += [is_json[fault.positions] for fault in read.faults]
        faults = [Fault("invalid_type", self._expected, np.sort(np.concatenate(wrong)))] if wrong else []
        return Typed(values, faults)


def _array(cell: str) -> str:
    return canonical.write(canonical.read(cell))


def cast_object(text: pa.StringArray) -> Typed:
    """A JSON object → canonical JSON text."""
    return canonical.cast_distinct(text, _object, 'object. Expected a JSON object such as {"name": "value"}')


def _object(cell: str) -> str:
    value = canonical.read(cell)
    if not isinstance(value, dict):
        raise ValueError("it is no object")  # noqa: TRY004 -- it is the cell that is wrong, not our program
    return canonical.write(value)
