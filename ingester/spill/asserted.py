"""What the rules' own checks said of rows when their cells were read, kept until it counts: after duplicates are gone.

For some rows a check cannot be told before stored values are known; their keys wait here, and what they say themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingester.ruleset.model import Check, Entity, column_name
from ingester.spill.notices import Kind, Notices
from ingester.spill.rows import Rows, RowWriter

_STREAM = "asserted"
_Numbers = npt.NDArray[np.int64]


class Asserted:
    """The answers of one import. A context manager while they are added, in file order."""

    def __init__(self, folder: Path, entity: Entity, notices: Notices) -> None:
        self._folder = folder
        self._notices = notices
        self._key = tuple(map(column_name, entity.primary_key))
        self._undecided: dict[Check, tuple[RowWriter, Rows]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def found(self, found: list[tuple[Kind, _Numbers]]) -> None:
        """Report the rows that fail checks for certain, without rejecting them yet."""
        self._notices.add(_STREAM, found)

    def leave(self, check: Check, numbers: _Numbers, columns: Mapping[str, pa.Array]) -> None:
        """Let rows wait: `columns` are what they say by field name, and their keys under `key_name`."""
        if check not in self._undecided:
            path = self._folder / f"undecided-{len(self._undecided)}.arrow"
            self._undecided[check] = self._stack.enter_context(RowWriter(path)), Rows(path, tuple(columns))
        self._undecided[check][0].write(pa.array(numbers), dict(columns))

    @property
    def waiting(self) -> tuple[Check, ...]:
        """The checks that some rows wait for."""
        return tuple(self._undecided)

    def said(self, check: Check) -> set[str]:
        """Of which fields the waiting rows of a check say something, if only that there is nothing."""
        return {name for name in self._undecided[check][1].fields if name not in map(key_name, self._key)}

    def rejected(self) -> Iterator[_Numbers]:
        """The rows that fail a check for certain, if its severity is an error."""
        return self._notices.struck(_STREAM)

    def undecided(self, check: Check) -> Iterator[tuple[_Numbers, pa.RecordBatch, dict[str, pa.Array]]]:
        """Row numbers, keys by column, and what the rows say by field name, in file order."""
        for numbers, batch in self._undecided[check][1].batches():
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            keys = [columns.pop(key_name(name)) for name in self._key]
            yield numbers, pa.RecordBatch.from_arrays(keys, names=list(self._key)), columns

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def key_name(column: str) -> str:
    """What a column of the key is called beside the values of the check's fields, which may have it as well."""
    return f"_key {column}"
