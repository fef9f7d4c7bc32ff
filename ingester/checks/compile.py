"""An entity's rules compiled once into checks over whole columns. Knows no row numbers and no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ingester.checks.array import ArrayCast
from ingester.checks.boolean import cast_boolean
from ingester.checks.bounds import bounds
from ingester.checks.cells import without
from ingester.checks.fault import Cast, Column, Fault, Positions
from ingester.checks.length import length
from ingester.checks.membership import membership
from ingester.checks.missing import MissingValues
from ingester.checks.number import cast_integer, cast_number
from ingester.checks.pattern import pattern
from ingester.checks.temporal import DatetimeCast, cast_date, cast_time
from ingester.checks.text import StringCast
from ingester.domain import notice
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Entity, Field, FieldType, Scalar

_COLUMN_TYPES = {
    FieldType.STRING: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.NUMBER: pa.string(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.DATE: pa.date32(),
    FieldType.TIME: pa.time64("us"),
    FieldType.DATETIME: pa.timestamp("us", "UTC"),
    FieldType.ARRAY: pa.string(),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that several cells of a field have: `positions` are sorted int64 indices into the batch."""

    field: str
    code: str
    message: str
    positions: Positions
    #: A better hint than the catalogue's, such as a suggestion.
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """`columns` by field name, typed and as long as the input, null where a cell is missing or failed its type.

    A cell that has its type but violates a constraint keeps its value: its row is known by the findings.
    """

    columns: dict[str, pa.Array]
    findings: list[Finding]


class CompiledEntity:
    """The checks of one entity for one timezone; may be used by several threads.

    Raises ConfigurationError for a rule that cannot be compiled.
    """

    def __init__(self, entity: Entity, timezone: str = "UTC") -> None:
        self.entity = entity
        missing = MissingValues(entity.missing_values)
        self._fields = {
            field.name: _CompiledField(field, missing, field.name in entity.primary_key, timezone)
            for field in entity.fields
        }

    def check(self, cells: Mapping[str, pa.StringArray]) -> Checked:
        """Check the columns of one batch, text as sent, by field name. A field without a column is not checked."""
        columns: dict[str, pa.Array] = {}
        findings: list[Finding] = []
        for name, text in cells.items():
            columns[name], faults = self._fields[name].check(text)
            findings += (
                Finding(name, fault.code, notice.message(fault.code, expected=fault.expected), fault.positions)
                for fault in faults
            )
        return Checked(columns, findings)


def column_type(field: Field) -> pa.DataType:
    """The Arrow type of a checked column; numbers and arrays are canonical text."""
    return _COLUMN_TYPES[field.type]


def default_value(field: Field, timezone: str = "UTC") -> Scalar | None:
    """The field's default as its typed column would hold it; None if there is none.

    Raises ConfigurationError if it is not of the field's type.
    """
    if field.default is None:
        return None
    typed = _cast(field, timezone)(pa.array([field.default], pa.string()))
    if typed.faults:
        raise ConfigurationError(f"the default of field {field.name} is {field.default!r}, which is no {field.type}")
    value: Scalar = typed.values[0].as_py()
    return value


class _CompiledField:
    def __init__(self, field: Field, missing: MissingValues, is_key: bool, timezone: str) -> None:
        self._missing = missing
        self._required = (field.constraints.required or is_key) and field.default is None
        self._cast = _cast(field, timezone)
        self._constraints = (
            *membership(field, self._cast),
            *pattern(field),
            *bounds(field, timezone),
            *length(field),
        )

    def check(self, cells: pa.StringArray) -> tuple[pa.Array, list[Fault]]:
        text, missing = self._missing.blank_out(cells)
        faults = []
        if self._required and (at := np.flatnonzero(missing)).size:
            faults.append(Fault("required", "", at))
        typed = self._cast(text)
        faults += typed.faults
        if self._constraints:
            column = Column(_text_of(typed.faults, text), typed.values)
            for constraint in self._constraints:
                if (at := constraint.violations(column)).size:
                    faults.append(Fault(constraint.code, constraint.expected, at))
        return typed.values, faults


def _cast(field: Field, timezone: str) -> Cast:
    match field.type:
        case FieldType.STRING:
            return StringCast(field.format)
        case FieldType.INTEGER:
            return cast_integer
        case FieldType.NUMBER:
            return cast_number
        case FieldType.BOOLEAN:
            return cast_boolean
        case FieldType.DATE:
            return cast_date
        case FieldType.TIME:
            return cast_time
        case FieldType.DATETIME:
            return DatetimeCast(timezone)
        case FieldType.ARRAY:
            return ArrayCast(field.delimiter)


def _text_of(faults: Sequence[Fault], text: pa.StringArray) -> pa.StringArray:
    """The text of the cells that have their type: nothing more is said about the others."""
    for fault in faults:
        text = without(text, fault.positions)
    return text
