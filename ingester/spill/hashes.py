"""Hashes of values that rows may share, kept as columns beside the typed ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ingester.checks.fault import present
from ingester.checks.keyhash import Hashes, key_hash

#: Stands for a row that shares nothing, because one of its values is null.
NONE = np.uint64(0)


def column_of(fields: Sequence[str]) -> str:
    """What the column of the hashes over `fields` is called."""
    return f"_hash {' '.join(fields)}"


def hashes(columns: Sequence[pa.Array]) -> Hashes:
    """One odd number for each row over all `columns`, NONE where one of them is null."""
    found = key_hash(columns) | np.uint64(1)
    for column in columns:
        if column.null_count:
            found[~present(column)] = NONE
    return found
