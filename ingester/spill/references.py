"""Values of references that no stored record answers: what transforming found and validation reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.ruleset.model import ForeignKey


@dataclass(frozen=True, slots=True)
class Unresolved:
    """One foreign key and its unanswered values: a table with one column per key field, named as the field."""

    foreign_key: ForeignKey
    values: pa.Table


def having(batch: pa.RecordBatch, columns: tuple[str, ...], values: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows of `batch` have in `columns` one of `values` (same number of columns, any names); never a null."""
    if len(columns) == 1:
        wanted = values.column(0).combine_chunks()
        found: npt.NDArray[np.bool_] = pc.is_in(batch.column(columns[0]), value_set=wanted).to_numpy(
            zero_copy_only=False
        )
        return found
    position = "_position"
    names = [f"_{i}" for i in range(len(columns))]
    left = pa.table([*batch.select(list(columns)).columns, np.arange(batch.num_rows)], names=[*names, position])
    matched = left.join(values.rename_columns(names), keys=names, join_type="left semi", use_threads=False)
    mask = np.zeros(batch.num_rows, dtype=np.bool_)
    mask[matched[position].to_numpy()] = True
    return mask
