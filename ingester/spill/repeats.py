"""Rows of a file that share a value: suspects, confirmed on the values themselves.

Memory is bounded by shares of the suspects, not by the file nor by how many rows share one value: one column of the
first rows of about a million values that seem to repeat. Only rows with the hash of another value are held all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.spill.rows import ROW, Rows, RowWriter
from ingester.spill.suspects import Suspects

#: How many rows share a row's value, and the first and last of them.
COUNT, FIRST, LAST = f"{ROW}_count", f"{ROW}_min", f"{ROW}_max"
#: Whether those rows are equal in every other field too.
IDENTICAL = "_identical"
_GROUP = "group"

_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_Groups = npt.NDArray[np.int32]


def repeats(
    rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask]
) -> Iterator[tuple[int, pa.Table]]:
    """Tables of the rows whose values in `columns` occur more than once among the eligible rows; nulls never repeat.

    Columns: `_row` and COUNT, FIRST, LAST, IDENTICAL of the row's group. Each table comes with the number of its share:
    a share has all rows of a group, in row order over its tables. `eligible` is not asked after the first table.
    """
    with TemporaryDirectory(dir=rows.path.parent) as folder:
        suspects = Suspects(rows, columns, eligible, Path(folder) / "repeated.hashes")
        for share in range(suspects.shares):
            for table in _Confirmation(rows, columns, suspects, share, Path(folder)).tables():
                yield share, table


class _Confirmation:
    """The suspects of one share, grouped by their real values: a hash that two values share is no repeat.

    Groups are numbered in the order of their first rows. One column of those is held, and each row's group is on disk.
    """

    def __init__(self, rows: Rows, columns: tuple[str, ...], suspects: Suspects, share: int, folder: Path) -> None:
        self._rows = rows
        self._columns = columns
        self._grouped = Rows(folder / "groups.arrow", (_GROUP,))
        known = suspects.hashes(share)
        self._number(suspects.of(share, known), len(known))
        del known
        strays = self._strays()
        if strays.size:
            by_hash = Rows(folder / "by-hash.arrow", (_GROUP,))
            self._grouped.path.rename(by_hash.path)
            group, size = self._exact(strays)
            size += len(self._count)
            self._number(_parted(by_hash, strays, group + len(self._count)), size)

    def tables(self) -> Iterator[pa.Table]:
        """The rows that do share their values, as `repeats` yields them."""
        identical = np.ones(len(self._count), np.bool_)
        for name in self._rows.fields:
            if name not in self._columns:
                for _, group in self._differing(name):
                    identical[group] = False
        for numbers, group in _groups(self._grouped):
            repeated = np.flatnonzero(self._count[group] > 1)
            mine = group[repeated]
            if repeated.size:
                yield pa.table(
                    {
                        ROW: numbers[repeated],
                        COUNT: self._count[mine],
                        FIRST: self._first[mine],
                        LAST: self._last[mine],
                        IDENTICAL: identical[mine],
                    }
                )

    def _number(self, found: Iterator[tuple[_Numbers, _Numbers]], size: int) -> None:
        """Number the groups anew, and write down each row's; in `found`, other numbers below `size` stand for them."""
        self._count, self._first, self._last = (np.zeros(size, np.int64) for _ in range(3))
        group_of = np.full(size, -1, np.int32)
        known = 0
        with RowWriter(self._grouped.path) as writer:
            for numbers, named in found:
                new = np.flatnonzero(group_of[named] < 0)
                names, at = np.unique(named[new], return_index=True)
                order = np.argsort(at)
                self._first[known : known + len(names)] = numbers[new[at[order]]]
                group_of[names[order]] = np.arange(known, known + len(names), dtype=np.int32)
                known += len(names)
                group = group_of[named]
                # Of several rows that write to one place, the last one stays.
                self._last[group] = numbers
                count = np.bincount(group)
                self._count[: len(count)] += count
                writer.write(pa.array(numbers), {_GROUP: pa.array(group)})

    def _strays(self) -> _Numbers:
        """Rows whose value is not that of the first row with their hash: so few that they may be held at once."""
        found = [numbers for name in self._columns for numbers, _ in self._differing(name)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    def _exact(self, strays: _Numbers) -> tuple[_Numbers, int]:
        """The group of each stray, by number from 0, and how many there are."""
        group = np.zeros(len(strays), np.int64)
        size = 1
        for name in self._columns:
            codes = pa.concat_arrays(
                [
                    _widened(batch.column(0).filter(pa.array(np.isin(numbers, strays, assume_unique=True))))
                    for numbers, batch in self._rows.batches((name,))
                ]
            ).dictionary_encode()
            values = len(codes.dictionary)
            distinct, group = np.unique(group * values + codes.indices.to_numpy(), return_inverse=True)
            size = len(distinct)
        return group, size

    def _differing(self, name: str) -> Iterator[tuple[_Numbers, _Groups]]:
        """Rows that have another value than the first row of their group, and the groups."""
        firsts = _Firsts()
        for (all_numbers, batch), (numbers, group) in zip(
            self._rows.batches((name,)), _groups(self._grouped), strict=True
        ):
            if not len(numbers):
                continue
            column = _widened(batch.column(0).take(pa.array(np.searchsorted(all_numbers, numbers))))
            firsts.add(column.filter(pa.array(self._first[group] == numbers)))
            differs = firsts.differ(column, group)
            if differs.any():
                yield numbers[differs], group[differs]


class _Firsts:
    """A value for each group, in the groups' order."""

    def __init__(self) -> None:
        #: Each less than half as long as the one before, so that few are looked through and values seldom copied.
        self._parts: list[pa.Array] = []

    def add(self, values: pa.Array) -> None:
        """Append the values of the next groups."""
        if len(values):
            self._parts.append(values)
        while len(self._parts) > 1 and 2 * len(self._parts[-1]) >= len(self._parts[-2]):
            self._parts[-2:] = [pa.concat_arrays(self._parts[-2:])]

    def differ(self, column: pa.Array, group: _Groups) -> _Mask:
        """Which values are not that of their group."""
        differs = np.zeros(len(column), np.bool_)
        start = 0
        for part in self._parts:
            mine = np.flatnonzero((group >= start) & (group < start + len(part)))
            if mine.size:
                differs[mine] = _differ(column.take(pa.array(mine)), part, group[mine] - np.int32(start))
            start += len(part)
        return differs


def _differ(column: pa.Array, values: pa.Array, place: _Groups) -> _Mask:
    """Which of a column are not the value at their place."""
    differs = np.ones(len(column), np.bool_)
    alike = np.arange(len(column))
    if pa.types.is_large_string(column.type):
        # A long value at the place of many rows is not to be copied for each: only texts of one length are compared.
        alike = np.flatnonzero(_lengths(column) == _lengths(values)[place])
        column, place = column.take(pa.array(alike)), place[alike]
    other = values.take(pa.array(place))
    same = pc.or_(pc.equal(column, other).fill_null(False), pc.and_(column.is_null(), other.is_null()))
    differs[alike] = ~same.to_numpy(zero_copy_only=False)
    return differs


def _lengths(column: pa.LargeStringArray) -> _Numbers:
    lengths: _Numbers = pc.binary_length(column).fill_null(-1).to_numpy()
    return lengths


def _widened(column: pa.Array) -> pa.Array:
    # Offsets of 32 bits end at 2 GiB.
    return column.cast(pa.large_string()) if pa.types.is_string(column.type) else column


def _groups(grouped: Rows) -> Iterator[tuple[_Numbers, _Groups]]:
    """The suspects of each batch and their groups."""
    for numbers, batch in grouped.batches():
        yield numbers, batch.column(0).to_numpy()


def _parted(grouped: Rows, strays: _Numbers, stray_groups: _Numbers) -> Iterator[tuple[_Numbers, _Numbers]]:
    """The suspects of each batch and their groups, the strays in groups of their own."""
    for numbers, group in _groups(grouped):
        parted = group.astype(np.int64)
        place = np.searchsorted(strays, numbers)
        place[place == strays.size] = 0
        is_stray = strays[place] == numbers
        parted[is_stray] = stray_groups[place[is_stray]]
        yield numbers, parted
