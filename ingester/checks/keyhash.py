"""64-bit hashes of keys, a column at a time. Equal keys hash alike in every batch; unequal ones nearly always apart.

Not against an adversary: whoever relies on uniqueness confirms a collision on the keys themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingester.checks.cells import content, lengths, offsets
from ingester.checks.fault import present

Hashes = npt.NDArray[np.uint64]

_WORD = 8
#: A text longer than this many bytes is hashed by itself: stepping through words is for the many short ones.
_LONG = 128
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NULL = np.uint64(0x6E756C6C6E756C6C)


def key_hash(columns: Sequence[pa.Array]) -> Hashes:
    """One uint64 for each row over all `columns`, at least one of them, all of one length.

    Strings, integers, booleans, dates, times and timestamps; a null equals a null. Each column is first hashed to 64
    bits, so that ("a", "bc") and ("ab", "c") differ.
    """
    total = np.full(len(columns[0]), _GOLDEN)
    for column in columns:
        total *= _FIRST
        total ^= _column_hash(column)
        _mix(total)
    return total


def _mix(words: Hashes) -> None:
    """The finaliser of splitmix64 (Steele, Lea and Flood, 2014), in place: every bit reaches every bit."""
    scratch = words >> np.uint64(30)
    words ^= scratch
    words *= _FIRST
    np.right_shift(words, np.uint64(27), out=scratch)
    words ^= scratch
    words *= _SECOND
    np.right_shift(words, np.uint64(31), out=scratch)
    words ^= scratch


def _column_hash(column: pa.Array) -> Hashes:
    if pa.types.is_string(column.type):
        hashes = _string_hash(column)
    else:
        width = {1: pa.int8(), 32: pa.int32(), 64: pa.int64()}[column.type.bit_width]
        numbers = column.cast(width).fill_null(0).to_numpy(zero_copy_only=False)
        hashes = numbers.astype(np.int64).view(np.uint64) + _GOLDEN
    if column.null_count:
        hashes[~present(column)] = _NULL
    return hashes


def _string_hash(column: pa.StringArray) -> Hashes:
    size = lengths(column)
    starts = offsets(column)[:-1]
    # Eight bytes from any start can be read when eight more follow the last.
    data = np.concatenate((content(column), np.zeros(_WORD, np.uint8)))
    words = np.ndarray(data.size - _WORD + 1, "<u8", data, strides=(1,))
    hashes = size.astype(np.uint64)
    hashes *= _GOLDEN
    active = np.flatnonzero(size <= _LONG)
    for at in range(0, _LONG, _WORD):
        active = active[size[active] > at]
        if not active.size:
            break
        word = words[starts[active] + at]
        # What follows the text in the buffer is not part of it.
        unused = np.maximum(at + _WORD - size[active], 0).astype(np.uint64) * np.uint64(8)
        word <<= unused
        word ^= hashes[active]
        word *= _SECOND
        _mix(word)
        hashes[active] = word
    for row in np.flatnonzero(size > _LONG):
        text = data[starts[row] : starts[row] + size[row]].tobytes()
        hashes[row] = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
    return hashes
