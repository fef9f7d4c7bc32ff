"""A column of a file as the engine reads it: looked at as a whole first, then cell by cell."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ingester.checks.compile import CompiledEntity
from ingester.checks.style import UNKNOWN, Style
from ingester.domain import notice
from ingester.domain.notice import Severity
from ingester.ruleset.model import Entity, Field, FieldType

#: The codes of notices that keep a row out begin with it.
WRONG = "!"


def read(kind: FieldType, *cells: str, pinned: Style = UNKNOWN, timezone: str = "UTC", **options: Any) -> list[Any]:
    """The value of each cell, the code of its notice where it has none."""
    return read_field(Field(name="f", type=kind, **options), *cells, pinned=pinned, timezone=timezone)


def read_field(field: Field, *cells: str, pinned: Style = UNKNOWN, timezone: str = "UTC", **rules: Any) -> list[Any]:
    """The same, of a field of an entity with such rules."""
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,), **rules), timezone)
    # As part of a longer column, in two blocks, with a missing cell.
    column = pa.array(["12,5", *cells, "", "x"], pa.string()).slice(1, len(cells) + 1)
    half = len(column) // 2
    blocks = [column.slice(0, half), column.slice(half)]
    first, second = (compiled.evidence(field.name, block) for block in blocks)
    styles = {field.name: (first + second).style(pinned)}
    found: list[Any] = []
    for block in blocks:
        checked = compiled.check({field.name: block}, styles=styles)
        values = checked.columns[field.column]
        values.validate(full=True)
        part = values.to_pylist()
        for finding in checked.findings:
            if notice.CATALOGUE[finding.code].severity is Severity.ERROR:
                for position in finding.positions.tolist():
                    part[position] = f"{WRONG}{finding.code}"
        found += part
    assert found.pop() in {None, "!required"}
    return found


def style(kind: FieldType, *cells: str, pinned: Style = UNKNOWN) -> dict[str, Any]:
    """What a column of such cells is said to be written like."""
    field = Field(name="f", type=kind)
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,)))
    return compiled.evidence("f", pa.array(cells, pa.string())).style(pinned).to_json()
