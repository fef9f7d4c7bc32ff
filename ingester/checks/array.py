"""Arrays in one cell: `a|b|c`, or JSON. Each distinct text is read once, by Python.

The column is canonical JSON: no blanks, numbers as they were written.
"""

from __future__ import annotations

import json
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import BLANKS
from ingester.checks.fault import Fault, Typed, where_true

#: A value of JSON: deeper ones are refused by Python's own limit of recursion.
Json = dict[str, "Json"] | list["Json"] | str | int | bool | None


class _Digits(str):
    """A JSON number as it was written: a float would round it."""

    __slots__ = ()


class ArrayCast:
    """Cells of one array field → canonical JSON text."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        encoded = text.dictionary_encode()
        found = [self._canonical(cell) for cell in encoded.dictionary.to_pylist()]
        values = pa.array(found, pa.string()).take(encoded.indices)
        wrong = where_true(pc.and_(values.is_null(), text.is_valid()))
        expected = f"array. Expected a{self._delimiter}b{self._delimiter}c or a JSON array"
        return Typed(values, [Fault("invalid_type", expected, wrong)] if wrong.size else [])

    def _canonical(self, cell: str) -> str | None:
        """None if the cell is no array, or holds what a database's text cannot."""
        if not cell.strip(BLANKS).startswith("["):
            items = [item.strip(BLANKS) for item in cell.split(self._delimiter)]
            return None if "\0" in cell else json.dumps(items, ensure_ascii=False, separators=(",", ":"))
        try:
            value = json.loads(cell, parse_float=_Digits, parse_int=_Digits, parse_constant=_refuse)
            text = _dump(value)
            text.encode()
        except (ValueError, RecursionError):
            return None
        return None if "\\u0000" in text.replace("\\\\", "") else text


def item_counts(values: pa.StringArray) -> pa.Int64Array:
    """How many items each array of a cast column has; null for null."""
    encoded = values.dictionary_encode()
    counts = [len(json.loads(text)) for text in encoded.dictionary.to_pylist()]
    return pa.array(counts, pa.int64()).take(encoded.indices)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _dump(value: Json) -> str:
    if isinstance(value, _Digits):
        return value
    if isinstance(value, list):
        return f"[{','.join(map(_dump, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_dump(key)}:{_dump(item)}' for key, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
