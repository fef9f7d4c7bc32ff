"""Rows of a file that share a value: found by 64-bit hashes that meet, confirmed on the values themselves.

Memory is bounded by shares of the hashes, not by the file nor by how many rows share one value: the hashes of about
`_HASHES` rows at a time, the rest on disk, then one column of the first rows of about `_REPEATED` values that seem to
repeat; besides, one byte for each row of the file. Only rows that have the hash of another value are held all at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.keyhash import Hashes
from ingester.spill.hashes import NONE
from ingester.spill.rows import ROW, Rows, RowWriter

_HASHES = 1_000_000
_REPEATED = 1_000_000
#: Each has two files open.
_MOST_SHARES = 200
#: Of the number of places in which hashes meet: 8 MiB.
_PLACE_BITS = np.uint64(21)

#: How many rows share a row's value, and the first and last of them.
COUNT, FIRST, LAST = f"{ROW}_count", f"{ROW}_min", f"{ROW}_max"
#: Whether those rows are equal in every other field too.
IDENTICAL = "_identical"
_GROUP = "group"

_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_Groups = npt.NDArray[np.int32]
#: Reads hashes and their rows' numbers, some at a time, as often as it is called.
_Share = Callable[[], Iterator[tuple[Hashes, npt.NDArray[np.uint32]]]]


def repeats(
    rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask]
) -> Iterator[tuple[int, pa.Table]]:
    """Tables of the rows whose values in `columns` occur more than once among the eligible rows; nulls never repeat.

    Columns: `_row` and COUNT, FIRST, LAST, IDENTICAL of the row's group. Each table comes with the number of its share:
    a share has all rows of a group, in row order over its tables. `eligible` is not asked after the first table.
    """
    with TemporaryDirectory(dir=rows.path.parent) as folder:
        suspects = _Suspects(rows, columns, eligible, Path(folder) / "repeated.hashes")
        for share in range(suspects.shares):
            for table in _Confirmation(rows, columns, suspects, share, Path(folder)).tables():
                yield share, table


class _Suspects:
    """The rows with a hash that another eligible row has. Such hashes are kept at `path`, each once."""

    def __init__(self, rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask], path: Path) -> None:
        self._rows = rows
        self._columns = columns
        self._path = path
        #: By row number.
        self._is_suspect = np.zeros(rows.last + 1, np.bool_)
        distinct = 0
        with path.open("wb") as file:
            for share in _shares(rows, columns, eligible):
                repeated = _repeated(_thinned(hashes for hashes, _ in share()))
                if repeated.size:
                    distinct += repeated.size
                    # Not `tofile`, which says nothing of a disk that is full.
                    file.write(repeated.data)
                    for hashes, numbers in share():
                        place = np.searchsorted(repeated, hashes)
                        place[place == repeated.size] = 0
                        self._is_suspect[numbers[repeated[place] == hashes]] = True
        self.shares = -(-distinct // _REPEATED)

    def hashes(self, share: int) -> Hashes:
        """The hashes of a share, sorted."""
        return np.sort(np.concatenate(list(self._parts(share))))

    def of(self, share: int, known: Hashes) -> Iterator[tuple[_Numbers, _Numbers]]:
        """Of each batch, the suspects of a share, and the place of each one's hash among the share's."""
        for numbers, found in self._rows.hashes(self._columns):
            picked = self._is_suspect[numbers] & _belongs(found, share, self.shares)
            yield numbers[picked], np.searchsorted(known, found[picked])

    def _parts(self, share: int) -> Iterator[Hashes]:
        with self._path.open("rb") as file:
            while (part := np.fromfile(file, np.uint64, _REPEATED)).size:
                yield part if self.shares == 1 else part[_belongs(part, share, self.shares)]


def _shares(rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask]) -> Iterator[_Share]:
    """The hashes of the eligible rows, and the rows' numbers: equal hashes are in one share."""
    shares = min(-(-rows.last // _HASHES), _MOST_SHARES)
    if shares > 1:
        with _Dealt(rows.path.parent, shares) as dealt:
            for numbers, found in rows.hashes(columns):
                dealt.add(*_eligible(numbers, found, eligible))
            yield from dealt.shares()
    elif shares:
        parts = [_eligible(numbers, found, eligible) for numbers, found in rows.hashes(columns)]
        whole = np.concatenate([found for found, _ in parts]), np.concatenate([numbers for _, numbers in parts])
        yield lambda: iter((whole,))


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

    def shares(self) -> Iterator[_Share]:
        """What each share has come to."""
        for file in itertools.chain.from_iterable(self._files):
            file.flush()
        for pair in self._names:
            yield partial(_read, *pair)

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for pair in self._names:
            for name in pair:
                name.unlink()


def _read(hashes: Path, rows: Path) -> Iterator[tuple[Hashes, npt.NDArray[np.uint32]]]:
    # All at once, unless many rows have one hash: shares differ little else.
    most = _HASHES + _HASHES // 4
    with hashes.open("rb") as hashes_file, rows.open("rb") as rows_file:
        while (part := np.fromfile(hashes_file, np.uint64, most)).size:
            yield part, np.fromfile(rows_file, np.uint32, most)


def _belongs(found: Hashes, share: int, shares: int) -> _Mask | np.bool_:
    """Which hashes belong to a share, told by their upper half: the lowest bit is always set."""
    if shares == 1:
        return np.True_
    belongs: _Mask = (found >> np.uint64(32)) % np.uint64(shares) == share
    return belongs


def _thinned(parts: Iterable[Hashes]) -> Hashes:
    """All parts as one; of more than one, each hash twice at most."""
    held = np.empty(0, np.uint64)
    for part in parts:
        if not held.size:
            held = part
            continue
        held = np.sort(np.concatenate((held, part)))
        held = held[np.append((True, True), held[2:] != held[:-2])]
    return held


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
    # Not `unique`, which is several times slower.
    found = np.sort(np.concatenate((others[is_equal], left[1:][left[1:] == left[:-1]])))
    return np.concatenate((found[:1], found[1:][found[1:] != found[:-1]]))


class _Confirmation:
    """The suspects of one share, grouped by their real values: a hash that two values share is no repeat.

    Groups are numbered in the order of their first rows. One column of those is held, and each row's group is on disk.
    """

    def __init__(self, rows: Rows, columns: tuple[str, ...], suspects: _Suspects, share: int, folder: Path) -> None:
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
