"""Single rows of a piece, every kind of row, as they were sent: what a report quotes and a reject file repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ingester.formats.block import parse_rows
from ingester.formats.cut import Positions
from ingester.formats.mend import grammar
from ingester.formats.piece import Piece


def select(piece: Piece, wanted: Positions, width: int, delimiter: str) -> tuple[pa.Int64Array, pa.RecordBatch]:
    """The rows of `piece` numbered in `wanted` (sorted): their numbers, and `width` string columns "0", "1", ...

    A short row is padded with empty cells; the surplus cells of a long one are joined into its last column by the
    delimiter. A line whose quotes are broken is split at every delimiter, its quotes left standing.
    """
    numbers = piece.row_numbers()
    index = np.flatnonzero(np.isin(numbers, wanted, assume_unique=True))
    ends = np.append(piece.starts[1:], len(piece.data))
    data = b"".join([piece.data[start:end] for start, end in zip(piece.starts[index], ends[index], strict=True)])
    odd: list[tuple[int, list[str]]] = []

    def keep(row: csv.InvalidRow) -> str:
        cells = [cell.decode() for cell in grammar(delimiter).cells(row.text.encode())]
        odd.append((int(numbers[index[row.number - 1]]), cells))
        return "skip"

    good = parse_rows(data, width, delimiter, keep)
    good_rows = np.setdiff1d(numbers[index], [row for row, _ in odd], assume_unique=True)
    if piece.mended:
        asked = set(wanted.tolist())
        for number, line in zip(piece.mended.broken_numbers, piece.mended.broken, strict=True):
            if piece.first_row + number in asked:
                odd.append((piece.first_row + number, line.decode().split(delimiter)))
    if not odd:
        return pa.array(good_rows), good
    rows = np.concatenate((good_rows, np.array([row for row, _ in odd], np.int64)))
    order = np.argsort(rows)
    fitted = pa.record_batch(
        [
            pa.array(column, pa.string())
            for column in zip(*(_fit(cells, width, delimiter) for _, cells in odd), strict=True)
        ],
        names=good.schema.names,
    )
    return pa.array(rows[order]), pa.concat_batches([good, fitted]).take(pa.array(order))


def _fit(cells: Sequence[str], width: int, delimiter: str) -> list[str]:
    kept = [*cells[: width - 1], delimiter.join(cells[width - 1 :])]
    return kept + [""] * (width - len(kept))
