"""One piece of a delimited file parsed by Arrow into columns of text, its rows numbered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ingester.domain.errors import InvariantError
from ingester.formats.rewritten import Mask, Rewritten
from ingester.formats.rows.cut import Positions
from ingester.formats.rows.piece import Piece
from ingester.formats.text.encoding import BOM, NotUtf8

RAGGED = pa.schema([("row", pa.int64()), ("line", pa.int64()), ("cells", pa.int32())])


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows, those with the header's cell count apart from the others.

    `rows`, `lines` (int64) and `table` have one entry for each row that has the header's cell count; `table` has
    string columns without nulls, named by position: "0", "1", ... `ragged` (row int64, line int64, cells int32)
    holds the others, in order; `cells` is 0 where the quotes of a row are broken, so that its cells cannot be told.
    """

    first_row: int
    rows: pa.Int64Array
    lines: pa.Int64Array
    table: pa.RecordBatch
    ragged: pa.RecordBatch
    #: By position of the column, which cells had a type where the file came from; their text is canonical.
    typed: dict[int, Mask] = field(default_factory=dict)

    def written(self, position: int) -> pa.StringArray:
        """The cells of a column that somebody wrote as text."""
        column, mask = self.table.column(position), self.typed.get(position)
        return column if mask is None else column.filter(pa.array(~mask))


def parse(piece: Piece, width: int, delimiter: str, rewritten: Rewritten | None = None) -> Block:
    """The piece as columns. Raises NotUtf8 for bytes that are no UTF-8."""
    require_utf8(piece.raw, piece.offset)
    bad: list[tuple[int, int]] = []

    def note(row: csv.InvalidRow) -> str:
        bad.append((row.number - 1, row.actual_columns))
        return "skip"

    table = parse_rows(piece.data, width, delimiter, note)
    if table.num_rows + len(bad) != piece.starts.size:
        raise InvariantError(f"the parser counts other rows than the cutter, at byte {piece.offset}")
    rows, lines = piece.row_numbers(), piece.line_numbers()
    index = np.array([at for at, _ in bad], np.int64)
    cells = np.array([count for _, count in bad], np.int32)
    ragged = _ragged(piece, rows[index], lines[index], cells)
    if bad:
        rows, lines = np.delete(rows, index), np.delete(lines, index)
    table, typed = (table, {}) if rewritten is None else rewritten.restore(table)
    return Block(piece.first_row, pa.array(rows), pa.array(lines), table, ragged, typed)


def parse_rows(
    data: bytes | memoryview, width: int, delimiter: str, on_ragged: Callable[[csv.InvalidRow], str] | None
) -> pa.RecordBatch:
    """Well-formed rows as `width` string columns; rows with another cell count go to `on_ragged` in order."""
    names = [str(position) for position in range(width)]
    if not data:
        return pa.record_batch([pa.array([], pa.string())] * width, names=names)
    if data[: len(BOM)] == BOM:
        # Arrow drops a byte order mark where its input begins. In the middle of a file it belongs to the cell; an
        # empty line before it keeps it, and is not a row.
        data = b"\n" + data
    table = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        parse_options=csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=True, invalid_row_handler=on_ragged
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.record_batch([pa.array([], pa.string())] * width, names=names)


def require_utf8(raw: bytes | memoryview, offset: int) -> None:
    """Raise NotUtf8 if `raw`, which stands at `offset` of its file, is not UTF-8."""
    whole = pa.py_buffer(np.array([0, len(raw)], np.int32))
    try:
        # Arrow validates a string of any length many times faster than Python decodes it.
        pa.StringArray.from_buffers(1, whole, pa.py_buffer(raw)).validate(full=True)
    except pa.ArrowInvalid:
        try:
            bytes(raw).decode()
        except UnicodeDecodeError as error:
            raise NotUtf8(offset + error.start) from None
        raise


def _ragged(
    piece: Piece, rows: Positions, lines: Positions, cells: np.ndarray[tuple[int], np.dtype[np.int32]]
) -> pa.RecordBatch:
    if mended := piece.mended:
        rows = np.concatenate((rows, piece.first_row + np.array(mended.broken_numbers, np.int64)))
        lines = np.concatenate((lines, piece.first_line + np.array(mended.broken_lines, np.int64)))
        cells = np.concatenate((cells, np.zeros(len(mended.broken), np.int32)))
        order = np.argsort(rows)
        rows, lines, cells = rows[order], lines[order], cells[order]
    return pa.record_batch([rows, lines, cells], schema=RAGGED)
