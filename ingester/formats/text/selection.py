"""Single rows of a piece, every kind of row, as they were sent: what a report quotes and a reject file repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ingester.formats.plain import SEPARATOR
from ingester.formats.rewritten import Rewritten
from ingester.formats.rows.broken import likely
from ingester.formats.rows.cut import Positions
from ingester.formats.rows.mend import grammar
from ingester.formats.rows.piece import Piece
from ingester.formats.text.block import parse_rows


@dataclass(frozen=True, slots=True)
class Selection:
    """Some rows: number and line of each, ascending, and its cells as string columns without nulls "0", "1", ..."""

    rows: Positions
    lines: Positions
    cells: pa.RecordBatch
    #: Called for `ragged`, which few ask for.
    tell_ragged: Callable[[], dict[int, list[str]]] = dict

    @property
    def ragged(self) -> dict[int, list[str]]:
        """The cells of rows with more or less of them than the header, and those likely meant by broken quotes."""
        return self.tell_ragged()


def select(
    piece: Piece, wanted: Positions, width: int, delimiter: str, rewritten: Rewritten | None = None
) -> Selection:
    """The rows of `piece` numbered in `wanted` (sorted), with `width` columns.

    A short row is padded with empty cells; the surplus cells of a long one are joined into its last column by the
    delimiter. A line whose quotes are broken is split at every delimiter, its quotes left standing.
    """
    numbers = piece.row_numbers()
    if piece.mended is None:
        index = wanted - piece.first_row
    else:
        index = np.flatnonzero(np.isin(numbers, wanted, assume_unique=True))
    odd: list[tuple[int, list[str]]] = []
    broken: list[tuple[int, bytes]] = []
    ragged: list[int] = []

    def keep(row: csv.InvalidRow) -> str:
        cells = [cell.decode() for cell in grammar(delimiter).cells(row.text.encode())]
        ragged.append(row.number - 1)
        odd.append((int(numbers[index[row.number - 1]]), cells))
        return "skip"

    good = parse_rows(_bytes_of(piece, index), width, delimiter, keep)
    good_rows = np.delete(numbers[index], ragged) if ragged else numbers[index]
    if piece.mended:
        asked = set(wanted.tolist())
        for number, line in zip(piece.mended.broken_numbers, piece.mended.broken, strict=True):
            if piece.first_row + number in asked:
                broken.append((piece.first_row + number, line))
    if not odd and not broken:
        return Selection(good_rows, piece.lines_of(good_rows), _restored(good, rewritten))

    def tell_ragged() -> dict[int, list[str]]:
        meant = ((row, likely(line, delimiter.encode(), width).cells) for row, line in broken)
        told = [*odd, *((row, [cell.decode() for cell in cells]) for row, cells in meant)]
        return {row: _whole(cells, rewritten) for row, cells in told}

    split = [*odd, *((row, line.decode().split(delimiter)) for row, line in broken)]
    rows = np.concatenate((good_rows, np.array([row for row, _ in split], np.int64)))
    order = np.argsort(rows)
    joint = "," if rewritten is not None and rewritten.delimiter == delimiter == SEPARATOR else delimiter
    fitted = pa.record_batch(
        [
            pa.array(column, pa.string())
            for column in zip(*(_fit(cells, width, joint) for _, cells in split), strict=True)
        ],
        names=good.schema.names,
    )
    rows = rows[order]
    cells = _restored(pa.concat_batches([good, fitted]).take(pa.array(order)), rewritten)
    return Selection(rows, piece.lines_of(rows), cells, tell_ragged)


def _restored(cells: pa.RecordBatch, rewritten: Rewritten | None) -> pa.RecordBatch:
    return cells if rewritten is None else rewritten.restore(cells)[0]


def _whole(cells: Sequence[str], rewritten: Rewritten | None) -> list[str]:
    return list(cells) if rewritten is None else rewritten.restore_row(cells)


def _bytes_of(piece: Piece, index: Positions) -> memoryview:
    """The rows at `index`, one after the other."""
    if not index.size:
        return memoryview(b"")
    # Rows are to their piece what cells are to a column: Arrow gathers them in one go.
    ends = np.append(piece.starts, len(piece.data)).astype(np.int32)
    rows = pa.BinaryArray.from_buffers(
        pa.binary(), piece.starts.size, [None, pa.py_buffer(ends), pa.py_buffer(piece.data)]
    )
    picked = rows.take(pa.array(index))
    size = np.frombuffer(picked.buffers()[1], np.int32)[len(picked)]
    # Arrow's bytes are signed, and would equal no other bytes.
    return memoryview(picked.buffers()[2]).cast("B")[:size]


def _fit(cells: Sequence[str], width: int, delimiter: str) -> list[str]:
    kept = [*cells[: width - 1], delimiter.join(cells[width - 1 :])]
    return kept + [""] * (width - len(kept))
