"""What files are, without any rules: what was found out about each, and its table exactly as read."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester import arrow_alone as _arrow_alone  # noqa: F401 -- before any other module makes an array
from ingester.checks.cast import cast_of
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.heading import kind
from ingester.formats.opening import Opened, open_drop
from ingester.formats.text.delimited import DelimitedReader
from ingester.formats.text.encoding import NotUtf8
from ingester.formats.text.selection import Selection
from ingester.outbox.sheet import csv_lines
from ingester.ruleset.model import Field, FieldType

#: What the cells of a column may be, the narrowest first; all others are text.
_TEMPORAL = (FieldType.DATE, FieldType.TIME, FieldType.DATETIME)
_TYPES = (FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN, *_TEMPORAL)
#: No value but text has more bytes.
_LONGEST_VALUE = 100
#: Rows that tell what a column holds.
_SAMPLE_ROWS = 1000


@dataclass(slots=True)
class Inspected:
    """One file: what it is and holds, or why it cannot be read."""

    file: str
    detected: dict[str, Any] = field(default_factory=dict)
    #: Name and type of each column.
    columns: list[dict[str, str]] = field(default_factory=list)
    rows: int | None = None
    #: Rows with other than the header's number of cells, or with broken quotes.
    ragged_rows: int = 0
    truncated: str | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, str] | None = None
    #: Where its table was written.
    csv: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        known = {name: getattr(self, name) for name in ("columns", "rows", "ragged_rows", "truncated", "warnings")}
        return {"file": self.file, **self.detected, **known, "error": self.error, "csv": self.csv}


def inspect(
    path: Path, name: str, workspace: Path, reads: Reads, limits: Limits, table: Path | None = None
) -> Inspected:
    """Read a whole file; with `table` it is written there as UTF-8 with commas, a row as many cells as it has."""
    found = Inspected(name)
    try:
        opened = open_drop(path, name, workspace, reads=reads, limits=limits)
        try:
            _inspect(found, opened, table)
        except NotUtf8 as error:
            if reads.encoding is not None:
                raise
            late, again = opened.late(error), workspace / "again"
            again.mkdir()
            _inspect(found, open_drop(path, name, again, reads=reads, limits=limits, late=late), table)
    except UnreadableFile as error:
        found.error = {"code": error.code, "message": error.reason}
        if table is not None:
            table.unlink(missing_ok=True)
            if error.code == "empty_file":
                table.touch()  # nothing is all there is in it
                found.csv = str(table)
    return found


def _inspect(found: Inspected, opened: Opened, table: Path | None) -> None:
    found.detected = {**opened.detected.to_json(), "escape": opened.detected.escape}
    found.warnings = [
        {"code": remark.code, "message": remark.message, "value": remark.value} for remark in opened.remarks
    ]
    reader = opened.reader()
    types: list[str] = []
    found.ragged_rows = 0
    for block in reader.blocks():
        found.ragged_rows += block.ragged.num_rows
        if not types and block.table.num_rows:
            types = [_type_of(column) for column in block.table.slice(0, _SAMPLE_ROWS).columns]
    names = reader.header
    found.columns = [
        {"name": name, "type": kind} for name, kind in itertools.zip_longest(names, types, fillvalue="string")
    ]
    found.rows, found.truncated = reader.total_rows, reader.truncated
    if table is not None:
        with table.open("wb") as out:
            has_names = opened.layout.header_line is not None or opened.named
            _write(reader, (opened.layout.written or names) if has_names else None, out)
        found.csv = str(table)


def _type_of(column: pa.StringArray) -> str:
    cells = column.filter(pc.not_equal(column, ""))
    for each in _likely(cells):
        if not cast_of(Field(name="x", type=each), "UTC")(cells).faults:
            return each.value
    return "string"


def _likely(cells: pa.StringArray) -> tuple[FieldType, ...]:
    """The types that are worth a try, as far as the first cell and the longest one tell."""
    if not len(cells) or pc.max(pc.binary_length(cells)).as_py() > _LONGEST_VALUE:
        return ()
    first = cells[0].as_py()
    if not any(map(str.isdigit, first)):
        return (FieldType.BOOLEAN,)
    # Others with digits are addresses and the like.
    return {"date": _TEMPORAL, "other": ()}.get(kind(first), _TYPES)


def _write(reader: DelimitedReader, names: Sequence[str] | None, out: BinaryIO) -> None:
    if names is not None:
        out.write(_lines([names]))
    out.writelines(reader.map_rows(np.ones(reader.total_rows + 1, np.bool_), _table))


def _table(part: Selection) -> bytes | pa.Buffer:
    ragged = part.ragged
    if not ragged and part.cells.num_columns > 1:
        return csv_lines(part.cells.columns)
    even = zip(*(column.to_pylist() for column in part.cells.columns), strict=True)
    return _lines(ragged.get(row) or list(cells) for row, cells in zip(part.rows.tolist(), even, strict=True))


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")
