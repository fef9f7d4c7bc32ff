"""Rows of a file that seem to share a value: those whose 64-bit hashes meet. Whether they do is `repeats`' business.

Memory is bounded by shares of the hashes: those of about `_HASHES` rows at a time, the rest on disk, however many rows
have one; besides, one byte for each row of the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from ingester.checks.keyhash import Hashes
from ingester.spill.hashes import NONE
from ingester.spill.rows import Rows

_HASHES = 1_000_000
_REPEATED = 1_000_000
#: Each has two files open.
_MOST_SHARES = 200
#: Of the number of places in which hashes meet: 8 MiB.
_PLACE_BITS = np.uint64(21)

_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
#: Reads hashes and their rows' numbers, some at a time, as often as it is called.
_Share = Callable[[], Iterator[tuple[Hashes, npt.NDArray[np.uint32]]]]


class Suspects:
    """The rows with a hash that another eligible row has. Such hashes are kept at `path`, each once."""

    def __init__(self, rows: Rows, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask], path: Path) -> None:
        self._rows = rows
        self._columns = columns
        self._path = path
        #: By row number.
        last = rows.last
        self._is_suspect = np.zeros(last + 1, np.bool_)
        distinct = 0
        with path.open("wb") as file:
            for share in _shares(rows, last, columns, eligible):
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


def _shares(rows: Rows, last: int, columns: tuple[str, ...], eligible: Callable[[_Numbers], _Mask]) -> Iterator[_Share]:
    """The hashes of the eligible rows, and the rows' numbers: equal hashes are in one share."""
    shares = min(-(-last // _HASHES), _MOST_SHARES)
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
