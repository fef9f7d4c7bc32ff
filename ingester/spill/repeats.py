"""Rows of a file that share a value: found by 64-bit hashes that meet, confirmed on the values themselves.

Memory is bounded by shares of the hashes, not by the file: the hashes of about `_HASHES` rows at a time, the rest on
disk, then one column of about `_SUSPECTS` rows that seem to repeat; besides, one byte for each row of the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.keyhash import Hashes
from ingester.spill.hashes import NONE
from ingester.spill.rows import ROW, Rows

_HASHES = 1_000_000
_SUSPECTS = 1_000_000
#: Each has two files open.
_MOST_SHARES = 200
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
    suspects = np.zeros(rows.last + 1, np.bool_)
    for hashes, numbers in _shares(rows, columns, eligible):
        repeated = _repeated(hashes)
        if repeated.size:
            place = np.searchsorted(repeated, hashes)
            place[place == repeated.size] = 0
            suspects[numbers[repeated[place] == hashes]] = True
    return suspects


def _shares(
    rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask]
) -> Iterator[tuple[Hashes, _Numbers]]:
    """The hashes of the eligible rows, and the rows' numbers: equal hashes are in one share."""
    shares = min(-(-rows.last // _HASHES), _MOST_SHARES)
    if shares > 1:
        with _Dealt(rows.path.parent, shares) as dealt:
            for numbers, found in rows.hashes(columns):
                dealt.add(*_eligible(numbers, found, eligible))
            yield from dealt.shares()
    elif shares:
        parts = [_eligible(numbers, found, eligible) for numbers, found in rows.hashes(columns)]
        yield np.concatenate([found for found, _ in parts]), np.concatenate([numbers for _, numbers in parts])


def _eligible(
    numbers: _Numbers, found: Hashes, eligible: Callable[[_Numbers], _Mask]
) -> tuple[Hashes, npt.NDArray[np.uint32]]:
    keep = eligible(numbers) & (found != NONE)
    return found[keep], numbers[keep].astype(np.uint32)


class _Dealt:
    """Hashes and row numbers on disk, a pair of files for each share of the hashes. A context manager."""

    def __init__(self, folder: Path, shares: int) -> None:
        self._names = [(folder / f"share-{share}.hashes", folder / f"share-{share}.rows") for share in range(shares)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._files = [tuple(self._stack.enter_context(name.open("w+b")) for name in pair) for pair in self._names]
        return self

    def add(self, found: Hashes, numbers: npt.NDArray[np.uint32]) -> None:
        """Deal rows out, by the upper half of their hashes: the lowest bit is always set."""
        share = ((found >> np.uint64(32)) % np.uint64(len(self._names))).astype(np.uint16)
        order = np.argsort(share, kind="stable")
        found, numbers = found[order], numbers[order]
        ends = np.cumsum(np.bincount(share, minlength=len(self._names)))
        for (hashes, rows), start, end in zip(self._files, [0, *ends[:-1]], ends, strict=True):
            # Not `tofile`, which says nothing of a disk that is full.
            hashes.write(found[start:end].data)
            rows.write(numbers[start:end].data)

    def shares(self) -> Iterator[tuple[Hashes, _Numbers]]:
        """What each share has come to."""
        for file in itertools.chain.from_iterable(self._files):
            file.flush()
        for hashes, rows in self._names:
            yield np.fromfile(hashes, np.uint64), np.fromfile(rows, np.uint32)

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for pair in self._names:
            for name in pair:
                name.unlink()


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
