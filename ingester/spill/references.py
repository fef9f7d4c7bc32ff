"""The records that rows name: one id for each spilled row and reference, beside the rows themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingester.ruleset.model import Entity, ForeignKey, column_name
from ingester.spill.rows import Rows
from ingester.spill.verdict import Verdict

Ids = npt.NDArray[np.int64]

#: In place of an id: the row names nothing, a record that is not stored, or one of several.
NOT_GIVEN, MISSING, AMBIGUOUS = 0, -1, -2
#: No id is as low: below are those of other sources' records, which one of the own source would go before.
ELSEWHERE = -3

#: The id column of the records that the rows themselves are about.
RECORD = "id"


def elsewhere(ids: Ids) -> Ids:
    """Ids of other sources' records as they are kept until it is known what comes with the file; and back."""
    return ELSEWHERE + 1 - ids


class Resolved:
    """Rows with the ids of the records that they name. An id column is called as the table's column that takes it."""

    def __init__(self, rows: Rows, folder: Path) -> None:
        self.rows = rows
        self._folder = folder
        self._names: list[str] = []

    @property
    def columns(self) -> tuple[str, ...]:
        """The id columns, in the order in which they were added."""
        return tuple(self._names)

    def add(self, name: str, ids: Iterable[Ids]) -> None:
        """Keep the ids of one column: one array for each batch of the rows."""
        _write(self._path(name), ids)
        self._names.append(name)

    def batches(self, columns: tuple[str, ...] | None = None) -> Iterator[tuple[Ids, pa.RecordBatch, dict[str, Ids]]]:
        """Row numbers, `columns` of the rows (default: all), and the ids by column, batch by batch."""
        with ExitStack() as stack:
            files = {name: stack.enter_context(self._path(name).open("rb")) for name in self._names}
            for numbers, batch in self.rows.batches(columns):
                yield numbers, batch, {name: np.fromfile(file, np.int64, len(numbers)) for name, file in files.items()}

    def settle(self, name: str, settled: Callable[[Ids, Ids], Ids]) -> None:
        """Replace the ids of one column by what `settled` makes of row numbers and ids, batch by batch."""
        found = (settled(numbers, ids) for numbers, ids in self.ids(name))
        draft = self._folder / f"{name}.settled"
        _write(draft, found)
        draft.replace(self._path(name))

    def ids(self, name: str) -> Iterator[tuple[Ids, Ids]]:
        """Row numbers and the ids of one column, batch by batch."""
        with self._path(name).open("rb") as file:
            for numbers, _ in self.rows.batches(()):
                yield numbers, np.fromfile(file, np.int64, len(numbers))

    def records(self, verdict: Verdict) -> Iterator[tuple[Ids, pa.RecordBatch]]:
        """Row numbers of the good rows whose own records are stored, and those as batches of one column `id`."""
        for numbers, ids in self.ids(RECORD):
            keep = verdict.good(numbers) & (ids > 0)
            yield numbers[keep], pa.RecordBatch.from_arrays([pa.array(ids[keep])], names=[RECORD])

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.ids"


def _write(path: Path, ids: Iterable[Ids]) -> None:
    with path.open("wb") as file:
        for batch in ids:
            # Not `tofile`, which says nothing of a disk that is full.
            file.write(batch.astype(np.int64, copy=False).tobytes())


def provided(entity: Entity, rows: Rows) -> list[ForeignKey]:
    """The references whose columns are all in the file."""
    return [key for key in entity.foreign_keys if {column_name(name) for name in key.fields} <= set(rows.fields)]
