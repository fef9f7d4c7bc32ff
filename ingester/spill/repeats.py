"""Rows of a file that share a value: found by sorted 64-bit hashes, confirmed on the values themselves.

Memory is bounded by a partition of the hashes, not by the file: eight bytes for each of at most `_PARTITION` rows
at a time, and the rows that really repeat within it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.keyhash import key_hash
from ingester.spill.rows import ROW, Rows

_PARTITION = 4_000_000

#: How many rows share a row's value, and the first and last of them.
COUNT, FIRST, LAST = f"{ROW}_count", f"{ROW}_min", f"{ROW}_max"
#: Whether those rows are equal in every other field too.
IDENTICAL = "_identical"


def repeats(
    rows: Rows,
    columns: tuple[str, ...],
    eligible: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]],
    folder: Path,
) -> Iterator[pa.Table]:
    """Tables of the rows whose values in `columns` occur more than once among the eligible rows; nulls never repeat.

    Columns: `_row` and COUNT, FIRST, LAST, IDENTICAL of the row's group. Groups are never split over two tables.
    """
    hashes, count = _hash(rows, columns, eligible, folder)
    partitions = max(1, -(-count // _PARTITION))
    for partition in range(partitions):
        suspects = _suspects(rows, hashes, partition, partitions)
        if suspects is not None:
            yield from _confirm(suspects, columns, rows.fields)


def _hash(
    rows: Rows,
    columns: tuple[str, ...],
    eligible: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]],
    folder: Path,
) -> tuple[Path, int]:
    """Write one hash for each spilled row, in order; 0 stands for a row that takes no part."""
    path = folder / f"{'-'.join(columns)[:80]}.hashes"
    count = 0
    with path.open("wb") as file:
        for numbers, batch in rows.batches(columns):
            hashed = key_hash(batch.columns) | np.uint64(1)
            takes_part = eligible(numbers)
            for column in batch.columns:
                if column.null_count:
                    takes_part &= pc.is_valid(column).to_numpy(zero_copy_only=False)
            np.where(takes_part, hashed, np.uint64(0)).tofile(file)
            count += len(numbers)
    return path, count


def _suspects(rows: Rows, hashes: Path, partition: int, partitions: int) -> pa.Table | None:
    """The rows of one partition whose hash is not alone."""
    mine = _of_partition(hashes, partition, partitions)
    mine.sort()
    repeated = np.unique(mine[1:][mine[1:] == mine[:-1]])
    if not len(repeated):
        return None
    found = []
    with hashes.open("rb") as file:
        for numbers, batch in rows.batches():
            hashed = np.fromfile(file, dtype=np.uint64, count=len(numbers))
            place = np.searchsorted(repeated, hashed).clip(max=len(repeated) - 1)
            suspect = pa.array(repeated[place] == hashed)
            picked = batch.filter(suspect)
            if picked.num_rows:
                found.append(picked.append_column(ROW, pa.array(numbers).filter(suspect)))
    return pa.Table.from_batches(found)


def _of_partition(path: Path, partition: int, partitions: int) -> npt.NDArray[np.uint64]:
    """The hashes that belong to one partition, told by their upper half: the lowest bit is always set."""
    parts = []
    with path.open("rb") as file:
        while len(hashes := np.fromfile(file, dtype=np.uint64, count=_PARTITION)):
            belongs = (hashes >> np.uint64(32)) % np.uint64(partitions) == partition
            parts.append(hashes[belongs & (hashes != 0)])
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def _confirm(suspects: pa.Table, columns: tuple[str, ...], fields: tuple[str, ...]) -> Iterator[pa.Table]:
    """Group by the real values: a hash that two values share is no repeat."""
    # Positions for names: a field may be called what an aggregate is called.
    positions = {name: f"_{position}" for position, name in enumerate(fields)}
    suspects = suspects.rename_columns([positions.get(name, name) for name in suspects.column_names])
    keys = [positions[name] for name in columns]
    others = [positions[name] for name in fields if name not in columns]
    every = pc.CountOptions(mode="all")
    groups = suspects.group_by(keys, use_threads=False).aggregate(
        [(ROW, "count"), (ROW, "min"), (ROW, "max"), *((name, "count_distinct", every) for name in others)]
    )
    groups = groups.filter(pc.greater(groups[COUNT], 1))
    if not groups.num_rows:
        return
    identical = pa.chunked_array([pa.repeat(True, groups.num_rows)])
    for name in others:
        identical = pc.and_(identical, pc.equal(groups[f"{name}_count_distinct"], 1))
    groups = groups.select([*keys, COUNT, FIRST, LAST]).append_column(IDENTICAL, identical)
    joined = suspects.select([ROW, *keys]).join(groups, keys=keys, join_type="inner", use_threads=False)
    yield joined.select([ROW, COUNT, FIRST, LAST, IDENTICAL]).sort_by(ROW)
