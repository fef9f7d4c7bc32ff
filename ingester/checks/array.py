"""Arrays and objects in one cell. An array is JSON or `a|b|c`; both columns are canonical JSON text."""

from __future__ import annotations

import json

import pyarrow as pa

from ingester.checks import canonical
from ingester.checks.cells import BLANKS
from ingester.checks.fault import Typed


class ArrayCast:
    """Cells of one array field → canonical JSON text."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        expected = f"array. Expected a{self._delimiter}b{self._delimiter}c or a JSON array"
        return canonical.cast_distinct(text, self._canonical, expected)

    def _canonical(self, cell: str) -> str:
        if cell.strip(BLANKS).startswith("["):
            return canonical.write(canonical.read(cell))
        if "\0" in cell:
            raise ValueError("it holds a NUL character")
        items = [item.strip(BLANKS) for item in cell.split(self._delimiter)]
        return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def cast_object(text: pa.StringArray) -> Typed:
    """A JSON object → canonical JSON text."""
    return canonical.cast_distinct(text, _object, 'object. Expected a JSON object such as {"name": "value"}')


def _object(cell: str) -> str:
    value = canonical.read(cell)
    if not isinstance(value, dict):
        raise ValueError("it is no object")  # noqa: TRY004 -- it is the cell that is wrong, not our program
    return canonical.write(value)
