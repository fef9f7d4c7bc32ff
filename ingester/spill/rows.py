"""Typed rows as Arrow IPC: written batch by batch in file order, read back as often as a phase needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingester.checks.keyhash import Hashes
from ingester.spill import hashes

#: The data row's number in the file, from 1; the first column of every batch.
ROW = "_row"


class RowWriter:
    """Writes the batches of one import; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: pa.ipc.RecordBatchFileWriter | None = None

    def __enter__(self) -> Self:
        return self

    def write(self, rows: pa.Array, columns: dict[str, pa.Array]) -> None:
        """Append a batch: row numbers and the typed column of each provided field, all of one length."""
        batch = pa.RecordBatch.from_arrays([rows, *columns.values()], names=[ROW, *columns])
        if self._file is None:
            self._file = pa.ipc.new_file(str(self._path), batch.schema)
        self._file.write_batch(batch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class Rows:
    """The typed rows of an import. A cell that failed its check is null; its row is rejected elsewhere."""

    def __init__(self, path: Path, fields: tuple[str, ...]) -> None:
        self.path = path
        #: The columns beside the row numbers; of a file's rows, the entity's fields that it provides, in rule order.
        self.fields = fields

    def batches(self, columns: tuple[str, ...] | None = None) -> Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]:
        """Row numbers and `columns` (default: all fields) of each batch, in file order."""
        if not self.path.exists():
            return
        wanted = list(self.fields if columns is None else columns)
        # A plain file, not a memory map: mapped pages would count as this process's memory.
        with pa.OSFile(str(self.path)) as source:
            with pa.ipc.open_file(source) as schema_reader:
                schema = schema_reader.schema
                included = sorted({schema.get_field_index(name) for name in (ROW, *wanted)})
            options = pa.ipc.IpcReadOptions(included_fields=included)
            with pa.ipc.open_file(source, options=options) as reader:
                for index in range(reader.num_record_batches):
                    batch = reader.get_batch(index)
                    yield batch.column(ROW).to_numpy(), batch.select(wanted)

    def hashes(self, columns: tuple[str, ...]) -> Iterator[tuple[npt.NDArray[np.int64], Hashes]]:
        """Row numbers of each batch and the hashes of `columns`: those that were kept, else made now."""
        kept = hashes.column_of(columns)
        if self._has(kept):
            for numbers, batch in self.batches((kept,)):
                yield numbers, batch.column(0).to_numpy()
        else:
            for numbers, batch in self.batches(columns):
                yield numbers, hashes.hashes(batch.columns)

    @property
    def last(self) -> int:
        """The number of the last row; 0 if there is none."""
        if not self.path.exists():
            return 0
        with pa.OSFile(str(self.path)) as source:
            options = pa.ipc.IpcReadOptions(included_fields=[0])
            with pa.ipc.open_file(source, options=options) as reader:
                batch = reader.get_batch(reader.num_record_batches - 1)
                return int(batch.column(ROW)[-1].as_py())

    def _has(self, column: str) -> bool:
        if not self.path.exists():
            return False
        with pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source) as reader:
            return bool(reader.schema.get_field_index(column) >= 0)
