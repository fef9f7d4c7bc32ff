"""What phases 5 and 7 ask alike: which records an `overwrite` removes, since no row of its file has their key."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.spill.references import NOT_GIVEN, Resolved
from ingester.spill.verdict import Verdict
from ingester.store.entity_table import key_columns
from ingester.store.removal import Cleanup, Referring
from ingester.store.staging import Batches
from ingester.store.target import Target


def names_records(target: Target, resolved: Resolved) -> bool:
    """Whether the file has the columns of the key, or the entity has no key and its records need no names."""
    return set(_key(target)) <= set(resolved.rows.fields)


def unreadable(target: Target, resolved: Resolved, verdict: Verdict) -> int:
    """How many rows lack a part of their key, or were too broken to be cut into cells: they may be about any record."""
    if not target.keyed:
        return 0
    whole = (pc.sum(_whole(batch)).as_py() or 0 for _, batch, _ in resolved.batches(_key(target)))
    return verdict.total - int(sum(whole))


def leaving(
    connection: Connection,
    target: Target,
    resolved: Resolved,
    referring: Referring,
    verdict: Verdict,
    *,
    cautious: bool = False,
) -> Cleanup:
    """The records that are to go; `cautious` while the verdict may change. For a file that names its records."""
    return Cleanup(connection, target, referring, _present(target, resolved, verdict), cautious=cautious)


def _key(target: Target) -> tuple[str, ...]:
    return key_columns(target.entity) if target.keyed else ()


def _whole(batch: pa.RecordBatch) -> pa.BooleanArray:
    whole = pc.is_valid(batch.column(0))
    for column in batch.columns[1:]:
        whole = pc.and_(whole, pc.is_valid(column))
    return whole


def _present(target: Target, resolved: Resolved, verdict: Verdict) -> Batches:
    """Every row's key, and what the row refers to among the entity's own records, as `Cleanup` wants it told."""
    own = target.own_references
    for numbers, batch, ids in resolved.batches(_key(target)):
        good = verdict.good(numbers)
        columns = list(batch.columns)
        for name in own:
            found = np.maximum(ids[name], NOT_GIVEN)
            says = np.where(good, target.erases | (ids[name] != NOT_GIVEN), found > NOT_GIVEN)
            columns.append(pa.array(np.where(good, found, -found), mask=~says))
        if columns:
            yield numbers, pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, *own])
