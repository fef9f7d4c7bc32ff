"""Error and rejects CSVs, written in one pass over the rows that have notices.

Nothing of a row was kept but its number and what is wrong with it: cells are read again from the immutable drop.
Both files are UTF-8 with BOM, complete, safe in a spreadsheet, and bounded in memory by a few blocks. Lines are made in
the reader's threads and written in file order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.domain.notice import Severity
from ingester.formats.text.delimited import DelimitedReader
from ingester.formats.text.selection import Selection
from ingester.outbox.neutral import neutralised
from ingester.outbox.sheet import BOM, csv_lines
from ingester.ruleset.columns import ColumnMatch
from ingester.spill.notices import Kind, Notices
from ingester.spill.verdict import Verdict

_FIRST = 25
#: Characters of a cell that the status file quotes; the error CSV has all of it.
_QUOTED = 200
_ERROR_COLUMNS = ("row", "line", "key", "field", "code", "severity", "message", "value", "hint")
_REJECT_COLUMNS = ("_import", "_row", "_errors")

_Positions = npt.NDArray[np.int64]
_Kinds = npt.NDArray[np.int32]


@dataclass(slots=True)
class Report:
    """What was written, and the first notices of each severity for the status file."""

    errors_written: bool = False
    rejects_written: bool = False
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    def first(self, severity: Severity) -> list[dict[str, Any]]:
        """The first notices of one severity."""
        return self.errors if severity is Severity.ERROR else self.warnings


def write(
    reader: DelimitedReader,
    columns: Sequence[ColumnMatch],
    key: Sequence[str],
    notices: Notices,
    verdict: Verdict,
    import_id: str,
    errors_path: Path,
    rejects_path: Path,
) -> Report:
    """Write `errors_path` if there is any notice and `rejects_path` if a row was rejected."""
    return _Writer(reader, columns, key, notices, verdict, import_id).write(errors_path, rejects_path)


@dataclass(frozen=True, slots=True)
class _Part:
    """The lines of one block, and its first notices for the status file."""

    errors: pa.Buffer
    rejects: pa.Buffer
    first: list[tuple[Severity, dict[str, Any]]]


class _Writer:
    def __init__(
        self,
        reader: DelimitedReader,
        columns: Sequence[ColumnMatch],
        key: Sequence[str],
        notices: Notices,
        verdict: Verdict,
        import_id: str,
    ) -> None:
        self._reader = reader
        self._position = {match.key: match.position for match in columns if match.key is not None}
        self._key = [self._position[name] for name in key if name in self._position]
        self._notices = notices
        self._merged = notices.merged()
        self._kinds = kinds = notices.kinds
        self._verdict = verdict
        self._import_id = import_id
        self._report = Report()
        self._is_error = np.array([kind.severity is Severity.ERROR for kind in kinds], np.bool_)
        self._said = _texts([_said(kind) for kind in kinds])
        of_file = [item.kind for item in notices.of_file if item.kind.severity is Severity.ERROR]
        self._said_of_file = "; ".join(map(_said, of_file))
        self._field, self._code, self._severity, self._message, self._hint = (
            neutralised(_texts(texts))
            for texts in (
                [kind.field for kind in kinds],
                [kind.code for kind in kinds],
                [kind.severity.value for kind in kinds],
                [kind.message for kind in kinds],
                [kind.hint for kind in kinds],
            )
        )
        # Many kinds are about the same cells: which, by a number for each set of columns.
        sets: dict[tuple[int | None, ...], int] = {}
        named = [self._places(kind) for kind in kinds]
        self._set_of_kind = np.array([sets.setdefault(columns, len(sets)) for columns in named], np.int64)
        self._sets = list(sets)

    def write(self, errors_path: Path, rejects_path: Path) -> Report:
        report = self._report
        if not self._notices.total:
            return report
        report.errors_written = True
        report.rejects_written = self._verdict.total > self._verdict.valid_rows
        with errors_path.open("wb") as errors:
            _begin(errors, _ERROR_COLUMNS)
            self._write_file_notices(errors)
            if not report.rejects_written:
                self._write_rows(errors, None)
                return report
            with rejects_path.open("wb") as rejects:
                _begin(rejects, [*self._reader.header, *_REJECT_COLUMNS])
                self._write_rows(errors, rejects)
        return report

    def _write_file_notices(self, errors: BinaryIO) -> None:
        for item in self._notices.of_file:
            kind = item.kind
            cells = [None, None, "", kind.field, kind.code, kind.severity.value, kind.message, item.value, kind.hint]
            errors.write(csv_lines([neutralised(pa.array([cell], pa.string())) for cell in cells]))
            self._remember(kind.severity, _entry(kind, None, None, None, item.value or None))

    def _write_rows(self, errors: BinaryIO, rejects: BinaryIO | None) -> None:
        for part in self._reader.map_rows(self._wanted(), self._part):
            errors.write(part.errors)
            if rejects is not None:
                rejects.write(part.rejects)
            for severity, entry in part.first:
                self._remember(severity, entry)

    def _wanted(self) -> npt.NDArray[np.bool_]:
        """Which rows to read again, by number."""
        wanted = self._verdict.bad()
        for rows in self._merged.rows():
            wanted[rows] = True
        return wanted

    def _part(self, selection: Selection) -> _Part:
        """The lines about some rows; called in several threads at once."""
        rows, kinds = self._merged.between(int(selection.rows[0]), int(selection.rows[-1]))
        place = np.searchsorted(selection.rows, rows)
        errors, first = self._errors(selection, place, kinds)
        return _Part(errors, self._rejects(selection, place, kinds), first)

    def _errors(
        self, selection: Selection, place: _Positions, kinds: _Kinds
    ) -> tuple[pa.Buffer, list[tuple[Severity, dict[str, Any]]]]:
        if not len(kinds):
            return _NOTHING, []
        at, kind = pa.array(place), pa.array(kinds)
        row, line = pa.array(selection.rows).take(at), pa.array(selection.lines).take(at)
        key = _joined([selection.cells.column(position) for position in self._key], selection.cells).take(at)
        value = self._values(selection.cells, place, kinds)
        lines = csv_lines(
            [
                row,
                line,
                neutralised(key),
                *(texts.take(kind) for texts in (self._field, self._code, self._severity, self._message)),
                neutralised(value),
                self._hint.take(kind),
            ]
        )
        return lines, [
            (said.severity, _entry(said, row[i].as_py(), line[i].as_py(), key[i].as_py(), value[i].as_py()))
            for i, said in ((i, self._kinds[kinds[i]]) for i in self._first(kinds))
        ]

    def _places(self, kind: Kind) -> tuple[int | None, ...]:
        """The columns of a notice's fields; None for one that the file does not have beside others that it has."""
        places = tuple(self._position.get(name) for name in kind.fields)
        return () if all(place is None for place in places) else places

    def _values(self, cells: pa.RecordBatch, place: _Positions, kinds: _Kinds) -> pa.Array:
        """The cell, or the joined cells, that each notice is about."""
        which = self._set_of_kind[kinds]
        parts, positions = [], []
        for number in np.flatnonzero(np.bincount(which)):
            at = np.flatnonzero(which == number)
            picked = [
                pa.repeat("", len(at)) if position is None else cells.column(position).take(pa.array(place[at]))
                for position in self._sets[number]
            ]
            parts.append(_joined(picked, at))
            positions.append(at)
        if len(parts) == 1:
            return parts[0]
        order = np.empty(len(kinds), np.int64)
        order[np.concatenate(positions)] = np.arange(len(kinds))
        return pa.concat_arrays(parts).take(pa.array(order))

    def _first(self, kinds: _Kinds) -> list[int]:
        """Those that may be among the first of the file, in order."""
        error = self._is_error[kinds]
        found: set[int] = set()
        for severity, mask in ((Severity.ERROR, error), (Severity.WARNING, ~error)):
            # Blocks come in order: once there are enough, no later block has anything to add.
            if len(self._report.first(severity)) < _FIRST:
                found.update(np.flatnonzero(mask)[:_FIRST].tolist())
        return sorted(found)

    def _rejects(self, selection: Selection, place: _Positions, kinds: _Kinds) -> pa.Buffer:
        bad = ~self._verdict.good(selection.rows)
        if not bad.any():
            return _NOTHING
        bounds = np.searchsorted(place, np.arange(len(selection.rows) + 1)).astype(np.int32)
        said = pc.binary_join(pa.ListArray.from_arrays(pa.array(bounds), self._said.take(pa.array(kinds))), "; ")
        if of_file := self._said_of_file:
            said = pc.if_else(pc.equal(said, ""), of_file, pc.binary_join_element_wise(of_file, said, "; "))
        columns = [*selection.cells.columns, pa.repeat(self._import_id, len(bad)), pa.array(selection.rows), said]
        if not bad.all():
            keep = pa.array(bad)
            columns = [column.filter(keep) for column in columns]
        return csv_lines([neutralised(column) if pa.types.is_string(column.type) else column for column in columns])

    def _remember(self, severity: Severity, entry: dict[str, Any]) -> None:
        first = self._report.first(severity)
        if len(first) < _FIRST:
            first.append(entry)


_NOTHING = pa.py_buffer(b"")


def _texts(texts: list[str]) -> pa.StringArray:
    return pa.array(texts, pa.string())


def _entry(kind: Kind, row: int | None, line: int | None, key: str | None, value: str | None) -> dict[str, Any]:
    """One notice as the status file lists it."""
    place = {"row": row, "line": line, "key": _short(key)}
    said = {"field": kind.field or None, "code": kind.code, "message": kind.message, "hint": kind.hint}
    return {**place, **said, "value": _short(value)}


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _said(kind: Kind) -> str:
    return f"{kind.field}: {kind.message}" if kind.field else kind.message


def _joined(columns: list[pa.Array], like: pa.RecordBatch | _Positions) -> pa.Array:
    """Cells side by side with `|` between; empty text where there is no column."""
    if not columns:
        return pa.repeat("", len(like))
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, "|")


def _begin(file: BinaryIO, names: Sequence[str]) -> None:
    file.write(BOM)
    file.write(csv_lines([neutralised(_texts([name])) for name in names]))
