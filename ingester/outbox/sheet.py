"""Columns as lines of CSV. What is in them, and in which file they go, is the report's business."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ingester.checks.cells import lengths, masked
from ingester.checks.fault import present

BOM = b"\xef\xbb\xbf"


def csv_lines(columns: Sequence[pa.Array]) -> pa.Buffer:
    """Columns of text or integers, all of one length, as CSV; only what needs quotes has them. Empty is null."""
    names = [str(position) for position in range(len(columns))]
    batch = pa.RecordBatch.from_arrays([_without_empty(column) for column in columns], names=names)
    sink = pa.BufferOutputStream()
    options = csv.WriteOptions(include_header=False, quoting_style="needed", batch_size=_BATCH_ROWS)
    csv.write_csv(batch, sink, write_options=options)
    return sink.getvalue()


#: Rows that Arrow formats at a time.
_BATCH_ROWS = 1 << 13


def _without_empty(column: pa.Array) -> pa.Array:
    """The column with nulls for empty cells: the writer puts quotes around an empty text but not around a null."""
    if not pa.types.is_string(column.type):
        return column
    filled = lengths(column) > 0
    return column if np.all(filled) else masked(column, filled & present(column))
