"""An entity's rules compiled once into checks over whole columns. Knows no row numbers and no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.assertion import Assertion, Batch, today_in
from ingester.checks.bounds import bounds
from ingester.checks.cast import cast_of, cast_type, certain_reading_of, column_type, is_free, reading_of
from ingester.checks.cells import replaced, without
from ingester.checks.fault import Column, Fault, Mask, Positions, Typed, present
from ingester.checks.identifier import abbreviated
from ingester.checks.invisible import bare
from ingester.checks.length import length
from ingester.checks.member import Member, objects
from ingester.checks.membership import membership
from ingester.checks.missing import MissingValues
from ingester.checks.no_value import spreadsheet_errors, without_no_values
from ingester.checks.normalise import Normaliser
from ingester.checks.pattern import pattern
from ingester.checks.style import UNKNOWN, Style
from ingester.checks.survey import Evidence, evidence
from ingester.domain import notice
from ingester.domain.errors import ConfigurationError
from ingester.domain.notice import Severity
from ingester.ruleset.model import Check, Entity, Field, FieldType, Scalar

__all__ = [
    "UNSETTLED",
    "Checked",
    "CompiledEntity",
    "Finding",
    "Undecided",
    "cast_type",
    "column_type",
    "default_value",
]


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
class Undecided:
    """Rows of which stored values decide whether checks hold.

    `values` are their own values, by field name, of all fields that checks ask for and the batch has a column for;
    `waits` says of which rows each check waits, in the order of `CompiledEntity.checks`.
    """

    positions: Positions
    values: dict[str, pa.Array]
    waits: list[Mask]


@dataclass(frozen=True, slots=True)
class Checked:
    """`columns` by `Field.column`, typed and as long as the input, null where a cell is missing or failed its type.

    A cell that has its type but violates a constraint keeps its value: its row is known by the findings. The columns of
    a family, and all extra fields, are one column of JSON objects. `asserted` is what the checks of several fields
    found, `undecided` what they could not find out.
    """

    columns: dict[str, pa.Array]
    findings: list[Finding]
    asserted: list[Finding]
    undecided: Undecided | None
    #: By column, the words that were read as a missing value though the rule does not name them, and how often.
    no_values: dict[str, Counter[str]]


#: The notices about cells that the style of their column would decide.
UNSETTLED = frozenset({"ambiguous_number", "ambiguous_date"})

#: Compiled checks that are kept, by what they were made of.
_KEPT: dict[tuple[int, str, date, bool, bool], CompiledEntity] = {}
_MOST_KEPT = 64


def compiled(entity: Entity, timezone: str, *, erases: bool, creates: bool) -> CompiledEntity:
    """The checks of an entity for today: for a small file, making them takes longer than checking its rows."""
    # By identity, as rules are read once; what is kept holds its entity, so that no other gets its place in memory.
    key = (id(entity), timezone, today_in(timezone), erases, creates)
    found = _KEPT.get(key)
    if found is None:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        found = _KEPT[key] = CompiledEntity(entity, timezone, key[2], erases=erases, creates=creates)
    return found


class CompiledEntity:
    """The checks of one entity for one timezone; may be used by several threads.

    `today` is what assertions take it for; None is the day of the compilation in `timezone`. `creates` says that every
    row is a new record, with nothing but what the row says and defaults; else rows may be about stored records, which
    keep what the row does not say. With `erases` an empty cell is no such silence, and an empty member of a JSON object
    is null there rather than left out. Raises ConfigurationError for a rule that cannot be compiled.
    """

    def __init__(
        self,
        entity: Entity,
        timezone: str = "UTC",
        today: date | None = None,
        *,
        erases: bool = False,
        creates: bool = True,
    ) -> None:
        self.entity = entity
        self._erases = erases
        self._creates = creates
        missing = MissingValues(entity.missing_values)
        self._fields = {field.name: _CompiledField(field, missing, entity, timezone) for field in entity.fields}
        fields = {field.name: field for field in entity.fields}
        self._assertions = [Assertion(check, fields, today or today_in(timezone)) for check in entity.checks]
        asserted = {name for each in self._assertions for name in each.fields}
        self._kinds = {name: cast_type(fields[name]) for name in sorted(asserted)}
        self._defaults = {
            name: None if fields[name].is_extra else default_value(fields[name], timezone) for name in self._kinds
        }
        #: The checks that a new record fails about which nothing is said.
        self._failed_by_nothing = [
            each.check for each in self._assertions if each.judge(Batch(self.created(each.fields, {}, 1), 1))[0].size
        ]

    def check(
        self,
        cells: Mapping[str, pa.StringArray],
        fields: Mapping[str, str] | None = None,
        styles: Mapping[str, Style] | None = None,
        certain: Mapping[str, Mask] | None = None,
    ) -> Checked:
        """Check the columns of one batch, text as sent, by field name. A field without a column is not checked.

        A column of a family is under its header instead, and `fields` says which field each such header is of.
        `styles` says how columns are written, as far as that is known; findings of `UNSETTLED` codes are about cells
        that cannot be read without. Cells that are `certain` had a type where they came from: their text is canonical,
        whatever the rule says of how such values are written.
        """
        no_values: dict[str, Counter[str]] = {}
        columns: dict[str, pa.Array] = {}
        members: dict[str, list[Member]] = {}
        findings: list[Finding] = []
        typed: dict[str, pa.Array] = {}
        failed: dict[str, list[Positions]] = {}
        for key, text in cells.items():
            compiled = self._fields[key if fields is None else fields.get(key, key)]
            field = compiled.field
            found = compiled.check(text, (styles or {}).get(key, UNKNOWN), (certain or {}).get(key))
            if found.no_values:
                no_values[key] = found.no_values
            typed[field.name] = found.values
            failed[field.name] = found.failed
            findings += (_finding(key, fault) for fault in found.faults)
            if field.is_family or field.is_extra:
                members.setdefault(field.column, []).append(Member(_member(field, key), field.type, found.values))
            else:
                columns[field.column] = found.values
        columns |= {column: objects(parts, with_nulls=self._erases) for column, parts in members.items()}
        return Checked(columns, findings, *self._judged(typed, failed), no_values)

    def has_style(self, field: str) -> bool:
        """Whether the cells of a field are read by the style of their column."""
        return self._fields[field].has_style

    def evidence(self, field: str, text: pa.StringArray) -> Evidence:
        """What one batch of a column of the field tells of its style."""
        return self._fields[field].evidence(text)

    @property
    def checks(self) -> list[tuple[Check, tuple[str, ...]]]:
        """The checks of several fields, each with the fields whose values it asks for."""
        return [(each.check, each.fields) for each in self._assertions]

    def created(self, fields: Iterable[str], said: Mapping[str, pa.Array], count: int) -> dict[str, pa.Array]:
        """What new records have in some fields that checks ask for, where their rows say this."""
        return {name: _filled(said.get(name), self._defaults[name], self._kinds[name], count) for name in fields}

    def failing(self, number: int, records: Batch) -> Positions:
        """The records, of which all is known, that fail one of `checks`."""
        return self._assertions[number].judge(records)[0]

    def says(self, fields: Iterable[str], values: Mapping[str, pa.Array], count: int) -> Mask:
        """Which rows say something of some fields, if only that what is stored shall go."""
        columns = [values[name] for name in fields if name in values]
        if self._erases and columns:
            return np.ones(count, np.bool_)
        says: Mask = np.logical_or.reduce([present(column) for column in columns] or [np.zeros(count, np.bool_)])
        return says

    def _judged(
        self, typed: Mapping[str, pa.Array], failed: Mapping[str, list[Positions]]
    ) -> tuple[list[Finding], Undecided | None]:
        """What the checks of several fields find, and what they leave open."""
        found: list[Finding] = []
        if not self._assertions or not typed:
            return found, None
        count = len(next(iter(typed.values())))
        misread = {name: mask for name in self._kinds if (mask := _mask(failed.get(name, []), count)) is not None}
        batch = self._batch(typed, misread, count)
        waits: list[Mask] = []
        for assertion in self._assertions:
            check, waiting = assertion.check, np.zeros(count, np.bool_)
            waits.append(waiting)
            fails_alone = check in self._failed_by_nothing
            if typed.keys().isdisjoint(assertion.fields) and not fails_alone:
                continue
            wrong, undecided = assertion.judge(batch)
            if wrong.size:
                found.append(Finding(check.fields, check.code, check.message, wrong, check.severity, check.hint))
            if undecided.size:
                waiting[undecided] = True
                if not fails_alone:
                    # A record of which nothing is said stays as it is, and a new one holds.
                    waiting &= self.says(assertion.fields, typed, count)
                for name in misread.keys() & set(assertion.fields):
                    # A cell that could not be read has been reported; nobody knows what it would have said.
                    waiting &= ~misread[name]
        at = np.flatnonzero(np.logical_or.reduce(waits))
        if not at.size:
            return found, None
        values = {name: typed[name].take(pa.array(at)) for name in self._kinds if name in typed}
        return found, Undecided(at, values, [waiting[at] for waiting in waits])

    def _batch(self, typed: Mapping[str, pa.Array], misread: Mapping[str, Mask], count: int) -> Batch:
        if self._creates:
            columns = self.created(self._kinds, typed, count)
            for name, mask in misread.items():
                columns[name] = pc.if_else(pa.array(mask), pa.scalar(None, columns[name].type), columns[name])
            return Batch(columns, count, misread)
        unknown = dict(misread)
        for name in self._kinds:
            column = typed.get(name)
            if column is None:
                unknown[name] = np.ones(count, np.bool_)
            elif column.null_count and not (self._erases and self._defaults[name] is None):
                unknown[name] = ~present(column)
        return Batch(typed, count, unknown)


def _filled(column: pa.Array | None, default: Scalar | None, kind: pa.DataType, count: int) -> pa.Array:
    if column is None:
        return pa.repeat(pa.scalar(default, kind), count)
    return column if default is None or not column.null_count else pc.fill_null(column, pa.scalar(default, kind))


def _mask(positions: Sequence[Positions], count: int) -> Mask | None:
    """Which of `count` rows are among the positions; None if none is."""
    if not any(at.size for at in positions):
        return None
    mask = np.zeros(count, np.bool_)
    for at in positions:
        mask[at] = True
    return mask


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


#: How cells are written that had a type where they came from.
_CANONICAL = Style(".", standard=True, surveyed=True)


class _Prepared(NamedTuple):
    text: pa.StringArray
    missing: Mask
    faults: list[Fault]
    #: The cells that had something around them that nobody sees.
    bared: Positions


@dataclass(frozen=True, slots=True)
class _CheckedColumn:
    values: pa.Array
    faults: list[Fault]
    #: The cells that are there and have no value, since they are not of the field's type.
    failed: list[Positions]
    no_values: Counter[str]


#: Types whose cells are texts, and may be anything.
_TEXT = frozenset({FieldType.STRING, FieldType.ANY})
_STYLED = frozenset({FieldType.INTEGER, FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME})


class _CompiledField:
    def __init__(self, field: Field, missing: MissingValues, entity: Entity, timezone: str) -> None:
        self.field = field
        self._missing = missing
        is_key = field.name in entity.primary_key
        names_record = is_key or any(field.name in key.fields for key in entity.foreign_keys)
        self._required = (field.constraints.required or is_key) and field.default is None
        self._is_free = is_free(field)
        self._is_identifier = names_record or field.constraints.unique
        #: Whether cells are compared, so that what nobody sees would make another value of one.
        self._is_compared = field.type in _TEXT and (
            names_record or field.constraints.enum is not None or field.format in {"uuid", "email"}
        )
        self._tells_bared = names_record
        self.has_style = self._is_free and field.type in _STYLED
        try:
            self._normalise = Normaliser(field.normalise) if field.normalise else None
            self._cast = cast_of(field, timezone)
            self._read = reading_of(field, timezone)
            self._read_certain = certain_reading_of(field, timezone)
        except ValueError as error:
            raise ConfigurationError(f"field {field.name}: {error}") from error
        self._constraints = (
            *membership(field, self._cast),
            *pattern(field),
            *bounds(field, timezone),
            *length(field),
        )

    def evidence(self, cells: pa.StringArray) -> Evidence:
        return evidence(self._prepared(cells).text, self.field.type)

    def _prepared(self, cells: pa.StringArray) -> _Prepared:
        """What is to be read: null where a cell is missing or no text of this field at all."""
        faults: list[Fault] = []
        text, missing = self._missing.blank_out(cells)
        rewritten, bared = bare(text) if self._is_compared else (text, np.empty(0, np.int64))
        if self._normalise is not None:
            rewritten, unrecognised = self._normalise(rewritten)
            faults += unrecognised
        if rewritten is not text:
            text, missing = self._missing.blank_out(rewritten)
        faults = list(_not_missing(faults, missing))
        damaged = [Fault("scientific_id", "", abbreviated(text))] if self._is_identifier else []
        if not self._is_free:
            damaged.append(Fault("spreadsheet_error", "", spreadsheet_errors(text)))
        if any(fault.positions.size for fault in damaged):
            # Nobody needs to hear that such a cell is no e-mail address either.
            damaged = list(_not_missing(damaged, missing))
            taken = np.zeros(len(text), np.bool_)
            for fault in damaged:
                taken[fault.positions] = True
            faults = [*damaged, *_not_missing(faults, taken)]
        text = _without_all(text, [fault.positions for fault in faults])
        return _Prepared(text, missing, faults, bared)

    def _typed(self, text: pa.StringArray, style: Style, certain: Mask | None) -> Typed:
        if certain is None or self._read_certain is None:
            return self._read(text, style)
        at = np.flatnonzero(certain & present(text))
        theirs = self._read_certain(text.take(pa.array(at)), _CANONICAL)
        ours = self._read(without(text, at), style)
        faults = [Fault(fault.code, fault.expected, at[fault.positions]) for fault in theirs.faults]
        return Typed(replaced(ours.values, at, theirs.values), [*ours.faults, *faults])

    def check(self, cells: pa.StringArray, style: Style, certain: Mask | None = None) -> _CheckedColumn:
        text, missing, faults, bared = self._prepared(cells)
        failed = [fault.positions for fault in faults]
        typed = self._typed(text, style, certain)
        no_values: Counter[str] = Counter()
        if self._is_free and typed.faults:
            typed, empty, no_values = without_no_values(text, typed)
            missing[empty] = True
            text = without(text, empty)
        if self._required and (at := np.flatnonzero(missing)).size:
            faults.insert(0, Fault("required", "", at))
        if self._tells_bared and (at := bared[~missing[bared]]).size:
            faults.append(Fault("invisible_characters", "", at))
        faults += typed.faults
        type_failed = [fault.positions for fault in typed.faults]
        failed += type_failed
        if self._constraints:
            column = Column(_without_all(text, type_failed), typed.values)
            for constraint in self._constraints:
                faults += constraint(column)
        return _CheckedColumn(typed.values, faults, failed, no_values)


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
