"""Error and rejects CSVs, written in one pass over the rows that have notices.

Nothing of a row was kept but its number and what is wrong with it: cells are read again from the immutable drop.
Both files are UTF-8 with BOM, complete, safe in a spreadsheet, and bounded in memory by one block.
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
import pyarrow.csv

from ingester.domain.notice import Severity
from ingester.formats.delimited import DelimitedReader
from ingester.outbox.neutral import neutralised
from ingester.ruleset.columns import ColumnMatch
from ingester.spill.notices import Kind, Notices
from ingester.spill.verdict import Verdict

_BOM = b"\xef\xbb\xbf"
_FIRST = 25
#: Characters of a cell that the status file quotes; the error CSV has all of it.
_QUOTED = 200
_ERROR_COLUMNS = ("row", "line", "key", "field", "code", "severity", "message", "value", "hint")


@dataclass(slots=True)
class Report:
    """What was written, and the first notices of each severity for the status file."""

    errors_written: bool = False
    rejects_written: bool = False
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


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
        self._position = {match.field: match.position for match in columns if match.field is not None}
        self._key = key
        self._notices = notices
        self._kinds = notices.kinds
        self._verdict = verdict
        self._import_id = import_id
        self._report = Report()

    def write(self, errors_path: Path, rejects_path: Path) -> Report:
        report = self._report
        rejected = self._verdict.total > self._verdict.valid_rows
        if not self._notices.total:
            return report
        report.errors_written, report.rejects_written = True, rejected
        with errors_path.open("wb") as errors:
            errors.write(_BOM)
            _append(errors, _header(_ERROR_COLUMNS))
            self._write_file_notices(errors)
            if not rejected:
                self._write_rows(errors, None)
                return report
            with rejects_path.open("wb") as rejects:
                rejects.write(_BOM)
                _append(rejects, _header([*self._reader.header, "_import", "_row", "_errors"]))
                self._write_rows(errors, rejects)
        return report

    def _write_file_notices(self, errors: BinaryIO) -> None:
        for item in self._notices.of_file:
            kind = item.kind
            cells = [None, None, "", kind.field, kind.code, kind.severity.value, kind.message, item.value, kind.hint]
            _append(errors, [neutralised(pa.array([cell], pa.string())) for cell in cells])
            self._remember(kind, {"row": None, "line": None, "key": None, "value": item.value or None})

    def _write_rows(self, errors: BinaryIO, rejects: BinaryIO | None) -> None:
        merged = self._notices.merged()
        for rows, lines, cells in self._reader.read_rows(self._wanted()):
            numbers = rows.to_numpy()
            notice_rows, kinds = merged.up_to(int(numbers[-1]))
            place = np.searchsorted(numbers, notice_rows)
            self._write_errors(errors, numbers, lines, cells, place, kinds)
            if rejects is not None:
                self._write_rejects(rejects, numbers, cells, place, kinds)

    def _wanted(self) -> npt.NDArray[np.int64]:
        """Numbers of the rows to read again, ascending."""
        wanted = np.zeros(self._verdict.total + 1, dtype=np.bool_)
        wanted[self._verdict.bad_rows()] = True
        for rows in self._notices.merged().rows():
            wanted[rows] = True
        return np.flatnonzero(wanted).astype(np.int64)

    def _write_errors(
        self,
        errors: BinaryIO,
        numbers: npt.NDArray[np.int64],
        lines: pa.Array,
        cells: pa.RecordBatch,
        place: npt.NDArray[np.int64],
        kinds: npt.NDArray[np.int32],
    ) -> None:
        if not len(kinds):
            return
        at = pa.array(place)
        number = pa.array(numbers).take(at)
        line = lines.take(at)
        keys = _joined([cells.column(self._position[name]) for name in self._key if name in self._position], cells)
        key = keys.take(at)
        value = self._values(cells, place, kinds)

        def constant(texts: list[str]) -> pa.Array:
            return pa.array(texts, pa.string()).take(pa.array(kinds))

        _append(
            errors,
            [
                number,
                line,
                neutralised(key),
                constant([kind.field for kind in self._kinds]),
                constant([kind.code for kind in self._kinds]),
                constant([kind.severity.value for kind in self._kinds]),
                neutralised(constant([kind.message for kind in self._kinds])),
                neutralised(value),
                constant([kind.hint for kind in self._kinds]),
            ],
        )
        self._remember_first(kinds, number, line, key, value)

    def _values(self, cells: pa.RecordBatch, place: npt.NDArray[np.int64], kinds: npt.NDArray[np.int32]) -> pa.Array:
        """The cell, or the joined cells, that each notice is about."""
        parts, positions = [], []
        for number in np.unique(kinds):
            at = np.flatnonzero(kinds == number)
            fields = [name for name in self._kinds[number].fields if name in self._position]
            picked = [cells.column(self._position[name]).take(pa.array(place[at])) for name in fields]
            parts.append(_joined(picked, at))
            positions.append(at)
        order = np.argsort(np.concatenate(positions), kind="stable")
        return pa.concat_arrays(parts).take(pa.array(order))

    def _write_rejects(
        self,
        rejects: BinaryIO,
        numbers: npt.NDArray[np.int64],
        cells: pa.RecordBatch,
        place: npt.NDArray[np.int64],
        kinds: npt.NDArray[np.int32],
    ) -> None:
        bad = ~self._verdict.good(numbers)
        texts = pa.array([_said(kind) for kind in self._kinds], pa.string()).take(pa.array(kinds))
        offsets = np.searchsorted(place, np.arange(len(numbers) + 1)).astype(np.int32)
        said = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), texts), "; ")
        of_file = "; ".join(_said(item.kind) for item in self._notices.of_file if item.kind.severity is Severity.ERROR)
        if of_file:
            separate = pc.if_else(pc.equal(said, ""), of_file, pc.binary_join_element_wise(of_file, said, "; "))
            said = separate
        keep = pa.array(bad)
        columns = [neutralised(column.filter(keep)) for column in cells.columns]
        count = int(bad.sum())
        if count:
            columns += [
                pa.repeat(self._import_id, count),
                pa.array(numbers).filter(keep),
                neutralised(said.filter(keep)),
            ]
            _append(rejects, columns)

    def _remember_first(
        self, kinds: npt.NDArray[np.int32], number: pa.Array, line: pa.Array, key: pa.Array, value: pa.Array
    ) -> None:
        report = self._report
        if len(report.errors) >= _FIRST and len(report.warnings) >= _FIRST:
            return
        is_error = np.array([kind.severity is Severity.ERROR for kind in self._kinds])[kinds]
        for at in sorted({*np.flatnonzero(is_error)[:_FIRST].tolist(), *np.flatnonzero(~is_error)[:_FIRST].tolist()}):
            self._remember(
                self._kinds[kinds[at]],
                {
                    "row": number[at].as_py(),
                    "line": line[at].as_py(),
                    "key": key[at].as_py(),
                    "value": value[at].as_py(),
                },
            )

    def _remember(self, kind: Kind, where: dict[str, Any]) -> None:
        first = self._report.errors if kind.severity is Severity.ERROR else self._report.warnings
        if len(first) < _FIRST:
            place = {"row": where["row"], "line": where["line"], "key": _short(where["key"])}
            said = {"field": kind.field or None, "code": kind.code, "message": kind.message, "hint": kind.hint}
            first.append({**place, **said, "value": _short(where["value"])})


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _said(kind: Kind) -> str:
    return f"{kind.field}: {kind.message}" if kind.field else kind.message


def _joined(columns: list[pa.Array], like: pa.RecordBatch | npt.NDArray[np.int64]) -> pa.Array:
    """Cells side by side with `|` between; empty text where there is no column."""
    if not columns:
        return pa.repeat("", len(like))
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, "|")


def _header(names: Sequence[str]) -> list[pa.Array]:
    return [neutralised(pa.array([name], pa.string())) for name in names]


def _append(file: BinaryIO, columns: list[pa.Array]) -> None:
    """Write columns as CSV lines, quoting only what needs it."""
    # The writer puts quotes around an empty text but not around a null.
    cells = [
        pc.if_else(pc.equal(column, ""), None, column) if pa.types.is_string(column.type) else column
        for column in columns
    ]
    batch = pa.RecordBatch.from_arrays(cells, names=[str(i) for i in range(len(cells))])
    options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")
    pa.csv.write_csv(batch, file, write_options=options)
