"""An entity's rules compiled once into checks over whole columns. Knows no row numbers and no files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from ingester.checks.assertion import Assertion, Batch, today_in
from ingester.checks.bounds import bounds
from ingester.checks.cast import cast_of, column_type
from ingester.checks.cells import without
from ingester.checks.fault import Column, Fault, Positions
from ingester.checks.length import length
from ingester.checks.member import Member, objects
from ingester.checks.membership import membership
from ingester.checks.missing import MissingValues
from ingester.checks.normalise import Normaliser
from ingester.checks.pattern import pattern
from ingester.domain import notice
from ingester.domain.errors import ConfigurationError
from ingester.domain.notice import Severity
from ingester.ruleset.model import Entity, Field, Scalar

__all__ = ["Checked", "CompiledEntity", "Finding", "column_type", "default_value"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that several rows have: `positions` are sorted int64 indices into the batch.

    `fields` has several names for a check of several; a column of a family has the name of its own header.
    """

    fields: tuple[str, ...]
    code: str
    message: str
    positions: Positions
    #: Of a rule file's own check; else the catalogue of notices says.
    severity: Severity | None = None
    #: A better hint than the catalogue's, such as a suggestion.
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """`columns` by `Field.column`, typed and as long as the input, null where a cell is missing or failed its type.

    A cell that has its type but violates a constraint keeps its value: its row is known by the findings. The columns of
    a family, and all extra fields, are one column of JSON objects.
    """

    columns: dict[str, pa.Array]
    findings: list[Finding]


class CompiledEntity:
    """The checks of one entity for one timezone; may be used by several threads.

    `today` is what assertions take it for; None is the day of the compilation in `timezone`. With `erases` an empty
    member of a JSON object is null there rather than left out. `absent_is_null` says that what the batch has no column
    for will be null in the record too; else nothing is known of it. Raises ConfigurationError for a rule that cannot be
    compiled.
    """

    def __init__(
        self,
        entity: Entity,
        timezone: str = "UTC",
        today: date | None = None,
        *,
        erases: bool = False,
        absent_is_null: bool = False,
    ) -> None:
        self.entity = entity
        self._erases = erases
        self._absent_is_null = absent_is_null
        missing = MissingValues(entity.missing_values)
        self._fields = {
            field.name: _CompiledField(field, missing, field.name in entity.primary_key, timezone)
            for field in entity.fields
        }
        fields = {field.name: field for field in entity.fields}
        self._assertions = [Assertion(check, fields, today or today_in(timezone)) for check in entity.checks]

    def check(self, cells: Mapping[str, pa.StringArray], fields: Mapping[str, str] | None = None) -> Checked:
        """Check the columns of one batch, text as sent, by field name. A field without a column is not checked.

        A column of a family is under its header instead, and `fields` says which field each such header is of.
        """
        columns: dict[str, pa.Array] = {}
        members: dict[str, list[Member]] = {}
        findings: list[Finding] = []
        typed: dict[str, pa.Array] = {}
        failed: dict[str, list[Positions]] = {}
        for key, text in cells.items():
            compiled = self._fields[key if fields is None else fields.get(key, key)]
            field = compiled.field
            found = compiled.check(text)
            typed[field.name] = found.values
            failed[field.name] = found.failed
            findings += (_finding(key, fault) for fault in found.faults)
            if field.is_family or field.is_extra:
                members.setdefault(field.column, []).append(Member(_member(field, key), field.type, found.values))
            else:
                columns[field.column] = found.values
        columns |= {column: objects(parts, with_nulls=self._erases) for column, parts in members.items()}
        if self._assertions:
            findings += self._asserted(typed, failed)
        return Checked(columns, findings)

    def passed_over(self, fields: Collection[str]) -> tuple[str, ...]:
        """The codes of the checks that cannot be made where only these fields have columns."""
        return tuple(each.check.code for each in self._assertions if not self._can_be_made(each, fields))

    def _can_be_made(self, assertion: Assertion, fields: Collection[str]) -> bool:
        enough = any if self._absent_is_null else all
        return enough(name in fields for name in assertion.fields)

    def _asserted(self, typed: Mapping[str, pa.Array], failed: Mapping[str, list[Positions]]) -> Iterator[Finding]:
        """What the checks of several fields find."""
        batch = Batch(typed, len(next(iter(typed.values()), ())))
        for assertion in self._assertions:
            if not self._can_be_made(assertion, typed):
                continue
            wrong = assertion.violations(batch)
            if wrong.size and (unknown := [at for name in assertion.fields for at in failed.get(name, ())]):
                wrong = np.setdiff1d(wrong, np.concatenate(unknown), assume_unique=False)
            if wrong.size:
                check = assertion.check
                yield Finding(check.fields, check.code, check.message, wrong, check.severity, check.hint)


def default_value(field: Field, timezone: str = "UTC") -> Scalar | None:
    """The field's default as its typed column would hold it; None if there is none.

    Raises ConfigurationError if it is not of the field's type.
    """
    if field.default is None:
        return None
    text, faults = Normaliser(field.normalise)(pa.array([field.default], pa.string()))
    typed = cast_of(field, timezone)(text)
    if faults or typed.faults:
        raise ConfigurationError(f"the default of field {field.name} is {field.default!r}, which is no {field.type}")
    value: Scalar = typed.values[0].as_py()
    return value


@dataclass(frozen=True, slots=True)
class _CheckedColumn:
    values: pa.Array
    faults: list[Fault]
    #: The cells that are there and have no value, since they are not of the field's type.
    failed: list[Positions]


class _CompiledField:
    def __init__(self, field: Field, missing: MissingValues, is_key: bool, timezone: str) -> None:
        self.field = field
        self._missing = missing
        self._required = (field.constraints.required or is_key) and field.default is None
        try:
            self._normalise = Normaliser(field.normalise) if field.normalise else None
            self._cast = cast_of(field, timezone)
        except ValueError as error:
            raise ConfigurationError(f"field {field.name}: {error}") from error
        self._constraints = (
            *membership(field, self._cast),
            *pattern(field),
            *bounds(field, timezone),
            *length(field),
        )

    def check(self, cells: pa.StringArray) -> _CheckedColumn:
        faults: list[Fault] = []
        text, missing = self._missing.blank_out(cells)
        if self._normalise is not None:
            normalised, unrecognised = self._normalise(text)
            if normalised is not text:
                text, missing = self._missing.blank_out(normalised)
            faults += _not_missing(unrecognised, missing)
        if self._required and (at := np.flatnonzero(missing)).size:
            faults.insert(0, Fault("required", "", at))
        failed = [fault.positions for fault in faults if fault.code != "required"]
        text = _without_all(text, failed)
        typed = self._cast(text)
        faults += typed.faults
        type_failed = [fault.positions for fault in typed.faults]
        failed += type_failed
        if self._constraints:
            column = Column(_without_all(text, type_failed), typed.values)
            for constraint in self._constraints:
                faults += constraint(column)
        return _CheckedColumn(typed.values, faults, failed)


def _finding(key: str, fault: Fault) -> Finding:
    message = notice.message(fault.code, expected=fault.expected)
    return Finding((key,), fault.code, message, fault.positions, hint=fault.hint)


def _member(field: Field, key: str) -> str:
    """What a column is called inside of its JSON object."""
    if not field.is_family:
        return field.name
    # Headers may differ from the prefix in case and spaces, not in dots.
    member = key.split(".", field.prefix.count("."))[-1].strip()
    return f"{field.prefix}{member}" if field.is_extra else member


def _not_missing(faults: list[Fault], missing: np.ndarray) -> Iterator[Fault]:
    """A later step may have made a missing value of what was not recognised."""
    for fault in faults:
        if (at := fault.positions[~missing[fault.positions]]).size:
            yield Fault(fault.code, fault.expected, at)


def _without_all(text: pa.StringArray, positions: list[Positions]) -> pa.StringArray:
    """The text of the cells that have their type: nothing more is said about the others."""
    for at in positions:
        text = without(text, at)
    return text
