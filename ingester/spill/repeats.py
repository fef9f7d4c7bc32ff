"""Rows of a file that share a value: found by sorted 64-bit hashes, confirmed on the values themselves.

Memory is bounded by shares of the hashes, not by the file: eight bytes for each of about `_HASHES` rows at a time, then
one column of about `_SUSPECTS` rows that seem to repeat; besides, one byte for each row of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.keyhash import Hashes
from ingester.spill.hashes import NONE
from ingester.spill.rows import ROW, Rows

_HASHES = 2_000_000
_SUSPECTS = 1_000_000
#: Of the number of places in which hashes meet: 8 MiB.
_PLACE_BITS = np.uint64(21)

#: How many rows share a row's value, and the first and last of them.
COUNT, FIRST, LAST = f"{ROW}_count", f"{ROW}_min", f"{ROW}_max"
#: Whether those rows are equal in every other field too.
IDENTICAL = "_identical"

_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


def repeats(rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask]) -> Iterator[pa.Table]:
    """Tables of the rows whose values in `columns` occur more than once among the eligible rows; nulls never repeat.

    Columns: `_row` and COUNT, FIRST, LAST, IDENTICAL of the row's group. Groups are never split over two tables.
    """
    suspects = _suspects(rows, columns, eligible)
    shares = -(-int(np.count_nonzero(suspects)) // _SUSPECTS)
    for share in range(shares):
        confirmed = _Confirmation(rows, columns, suspects, share, shares).table()
        if confirmed.num_rows:
            yield confirmed


def _suspects(rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask]) -> _Mask:
    """Which rows, by number, have a hash that another eligible row has."""
    last = rows.last
    suspects = np.zeros(last + 1, np.bool_)
    shares = -(-last // _HASHES)
    # Memory that is never written to costs none.
    mine = np.empty(last, np.uint64)
    for share in range(shares):
        count = 0
        for numbers, found in rows.hashes(columns):
            taken = found[eligible(numbers) & (found != NONE) & _belongs(found, share, shares)]
            mine[count : count + taken.size] = taken
            count += taken.size
        repeated = _repeated(mine[:count])
        if not repeated.size:
            continue
        for numbers, found in rows.hashes(columns):
            place = np.searchsorted(repeated, found)
            place[place == repeated.size] = 0
            suspects[numbers] |= (repeated[place] == found) & eligible(numbers)
    return suspects


def _belongs(found: Hashes, share: int, shares: int) -> _Mask | np.bool_:
    """Which hashes belong to a share, told by their upper half: the lowest bit is always set."""
    if shares == 1:
        return np.True_
    belongs: _Mask = (found >> np.uint64(32)) % np.uint64(shares) == share
    return belongs


def _repeated(hashes: Hashes) -> Hashes:
    """The hashes that come more than once, sorted.

    Sorting all would take most of the phase. Each is put in a place told by its upper bits, and the last one stays;
    one that lost its place comes again if it equals the winner, and the others are few enough to be sorted.
    """
    place = (hashes >> (np.uint64(64) - _PLACE_BITS)).astype(np.uint32)
    mine = np.arange(len(hashes), dtype=np.uint32)
    # Only places that were written to are read.
    winner = np.empty(1 << int(_PLACE_BITS), np.uint32)
    winner[place] = mine
    winner = winner[place]
    del place
    lost = np.flatnonzero(winner != mine)
    others = hashes[lost]
    is_equal = hashes[winner[lost]] == others
    left = np.sort(others[~is_equal])
    return np.unique(np.concatenate((others[is_equal], left[1:][left[1:] == left[:-1]])))


class _Confirmation:
    """The suspects of one share, grouped by their real values: a hash that two values share is no repeat."""

    def __init__(self, rows: Rows, columns: tuple[str, ...], suspects: _Mask, share: int, shares: int) -> None:
        self._rows = rows
        self._columns = columns
        #: For each batch, which of its rows are looked at here.
        self._picked: list[_Mask] = []
        numbers = []
        for batch_numbers, found in rows.hashes(columns):
            picked = suspects[batch_numbers] & _belongs(found, share, shares)
            self._picked.append(picked)
            numbers.append(batch_numbers[picked])
        self._numbers = np.concatenate(numbers)

    def table(self) -> pa.Table:
        """The rows that do share their values, as `repeats` yields them."""
        numbers = self._numbers
        group, size = self._groups()
        place = np.arange(len(numbers))
        first, last = np.empty(size, np.int64), np.empty(size, np.int64)
        # Of several rows that write to one place, the last one stays.
        last[group] = place
        first[group[::-1]] = place[::-1]
        count = np.bincount(group, minlength=size)
        identical = np.ones(size, np.bool_)
        for name in self._rows.fields:
            if name not in self._columns:
                identical[group[self._differs(name, first[group])]] = False
        repeated = np.flatnonzero(count[group] > 1)
        mine = group[repeated]
        return pa.table(
            {
                ROW: numbers[repeated],
                COUNT: count[mine],
                FIRST: numbers[first[mine]],
                LAST: numbers[last[mine]],
                IDENTICAL: identical[mine],
            }
        )

    def _groups(self) -> tuple[_Numbers, int]:
        """The group of each row, by number from 0, and how many there are."""
        group = np.zeros(len(self._numbers), np.int64)
        size = 1
        for name in self._columns:
            codes = self._column(name).dictionary_encode()
            values = len(codes.dictionary)
            distinct, group = np.unique(group * values + codes.indices.to_numpy(), return_inverse=True)
            size = len(distinct)
        return group, size

    def _differs(self, name: str, first: _Numbers) -> _Mask:
        """Which rows have another value than the first row of their group."""
        column = self._column(name)
        other = column.take(pa.array(first))
        same = pc.or_(pc.equal(column, other).fill_null(False), pc.and_(column.is_null(), other.is_null()))
        differs: _Mask = ~same.to_numpy(zero_copy_only=False)
        return differs

    def _column(self, name: str) -> pa.Array:
        parts = []
        for (_, batch), picked in zip(self._rows.batches((name,)), self._picked, strict=True):
            part = batch.column(0).filter(pa.array(picked))
            # Offsets of 32 bits end at 2 GiB.
            parts.append(part.cast(pa.large_string()) if pa.types.is_string(part.type) else part)
        return pa.concat_arrays(parts)
