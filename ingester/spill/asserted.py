"""What the rules' own checks said of rows when their cells were read, kept until it counts: after duplicates are gone.

For some rows a check cannot be told before stored values are known; their keys wait here, and what they say themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingester.ruleset.model import Entity, column_name
from ingester.spill.notices import Kind, Notices
from ingester.spill.rows import Rows, RowWriter

_STREAM = "asserted"
_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


class Asserted:
    """The answers of one import. A context manager while they are added, in file order."""

    def __init__(self, folder: Path, entity: Entity, notices: Notices) -> None:
        self._path = folder / "undecided.arrow"
        self._notices = notices
        self._key = tuple(map(column_name, entity.primary_key))
        self._writer = RowWriter(self._path)
        #: Of which fields the waiting rows say something, if only that there is nothing; None while no row waits.
        self.said: tuple[str, ...] | None = None
        #: Which checks some rows wait for, by number.
        self.waiting: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def found(self, found: list[tuple[Kind, _Numbers]]) -> None:
        """Report the rows that fail checks for certain, without rejecting them yet."""
        self._notices.add(_STREAM, found)

    def leave(
        self, numbers: _Numbers, keys: Mapping[str, pa.Array], values: Mapping[str, pa.Array], waits: Sequence[_Mask]
    ) -> None:
        """Let rows wait: their keys by column, what they say by field name, and of which rows each check waits."""
        if self.said is None:
            self.said = tuple(values)
        self.waiting.update(number for number, mask in enumerate(waits) if mask.any())
        columns = [*keys.values(), *values.values(), *map(pa.array, waits)]
        self._writer.write(pa.array(numbers), {str(place): column for place, column in enumerate(columns)})

    def rejected(self) -> Iterator[_Numbers]:
        """The rows that fail a check for certain, if its severity is an error."""
        return self._notices.struck(_STREAM)

    def undecided(self, checks: int) -> Iterator[tuple[_Numbers, pa.RecordBatch, dict[str, pa.Array], list[_Mask]]]:
        """What was left of so many checks, in file order: row numbers, keys by column, values by field name, waits."""
        if self.said is None:
            return
        keys, said = len(self._key), len(self.said)
        for numbers, batch in Rows(self._path, tuple(map(str, range(keys + said + checks)))).batches():
            columns = batch.columns
            yield (
                numbers,
                pa.RecordBatch.from_arrays(columns[:keys], names=list(self._key)),
                dict(zip(self.said, columns[keys : keys + said], strict=True)),
                [column.to_numpy(zero_copy_only=False) for column in columns[keys + said :]],
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)
