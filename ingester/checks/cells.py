"""A string column seen as NumPy arrays, without copying: offsets, bytes, lengths; and with cells taken out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Mask, Positions, present

Bytes = npt.NDArray[np.uint8]

#: What may stand around a number, and is all that a blank cell holds.
BLANKS = " \t\r\n\f\v"


def offsets(column: pa.StringArray) -> npt.NDArray[np.int32]:
    """Where each cell begins in `content(column)`, and where the last one ends: one more than there are cells."""
    if not len(column):
        return np.zeros(1, np.int32)
    return np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]


def content(column: pa.StringArray) -> Bytes:
    """The bytes that `offsets` points into; it may hold more than this column's."""
    buffer = column.buffers()[2]
    return np.frombuffer(buffer, np.uint8) if buffer is not None else np.empty(0, np.uint8)


def within(column: pa.StringArray) -> Bytes:
    """The bytes of this column's cells, one cell after the other."""
    ends = offsets(column)
    return content(column)[ends[0] : ends[-1]]


def kept(column: pa.StringArray, table: Bytes) -> pa.StringArray:
    """Each byte of a cell replaced by what `table`, of 256, has for it; 0 takes it out. Null for null."""
    data = table[within(column)]
    stays = data != 0
    ends = offsets(column)
    total = np.append(np.int32(0), np.cumsum(stays, dtype=np.int32))[ends - ends[0]]
    valid = pa.py_buffer(np.packbits(present(column), bitorder="little")) if column.null_count else None
    return pa.StringArray.from_buffers(len(column), pa.py_buffer(total), pa.py_buffer(data[stays]), valid)


def lengths(column: pa.StringArray) -> npt.NDArray[np.int32]:
    """Bytes of each cell."""
    return np.diff(offsets(column))


def without(column: pa.StringArray, positions: Positions) -> pa.StringArray:
    """The same cells with nulls at `positions`; shares the bytes."""
    if not positions.size:
        return column
    kept = present(column)
    kept[positions] = False
    return masked(column, kept)


def masked(column: pa.StringArray, kept: Mask) -> pa.StringArray:
    """The same cells where `kept`, nulls elsewhere; shares the bytes."""
    return pa.StringArray.from_buffers(
        len(column),
        pa.py_buffer(np.ascontiguousarray(offsets(column))),
        column.buffers()[2],
        pa.py_buffer(np.packbits(kept, bitorder="little")),
    )


def replaced(column: pa.StringArray, positions: Positions, cells: pa.StringArray) -> pa.StringArray:
    """The same cells with those at the sorted `positions` replaced by `cells`."""
    if len(positions) == len(column):
        return cells
    mask = np.zeros(len(column), np.bool_)
    mask[positions] = True
    return pc.replace_with_mask(column, pa.array(mask), cells)


def windows(column: pa.StringArray, positions: Positions, width: int) -> Bytes:
    """The first `width` bytes of the cells at `positions` as a matrix, filled with NUL where a cell is shorter."""
    starts = offsets(column)
    data = content(column)
    first, size = starts[:-1][positions], lengths(column)[positions]
    if data.size < width or (positions.size and int(first.max()) + width > data.size):
        data = np.concatenate((data, np.zeros(width, np.uint8)))
    matrix: Bytes = np.lib.stride_tricks.sliding_window_view(data, width)[first]
    if positions.size and int(size.min()) < width:
        matrix[np.arange(width, dtype=np.int32) >= size[:, None]] = 0
    return matrix
