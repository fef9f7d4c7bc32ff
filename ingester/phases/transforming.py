"""Phase 3: look up the records that references name, as sets: each distinct value once, whatever the number of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.phases.account import Account
from ingester.ruleset.model import Entity
from ingester.spill.references import Unresolved
from ingester.spill.rows import Rows
from ingester.spill.verdict import Verdict
from ingester.store.lookup import missing_references
from ingester.store.merge import Scope

#: Distinct values are folded together whenever this many have piled up.
_FOLD = 500_000


def run(
    connection: Connection, rows: Rows, entity: Entity, verdict: Verdict, scope: Scope
) -> tuple[list[Unresolved], PhaseRecord]:
    """Resolve every reference whose columns the file provides; empty cells refer to nothing."""
    account = Account(PhaseName.TRANSFORMING)
    total = verdict.valid_rows
    provided = [key for key in entity.foreign_keys if set(key.fields) <= set(rows.fields)]
    if not provided:
        return [], account.skip("the file refers to no other record", total=total)
    unresolved = []
    for foreign_key in provided:
        values = _distinct(rows, foreign_key.fields)
        numbered = ((np.arange(values.num_rows), batch) for batch in values.combine_chunks().to_batches())
        missing = missing_references(connection, entity, foreign_key, numbered, scope)
        if len(missing):
            unresolved.append(Unresolved(foreign_key, values.take(pa.array(missing))))
    return unresolved, account.close(total=total, error=0)


def _distinct(rows: Rows, fields: tuple[str, ...]) -> pa.Table:
    parts: list[pa.Table] = []
    size = 0
    for _, batch in rows.batches(fields):
        given = pc.is_valid(batch.column(0))
        for column in batch.columns[1:]:
            given = pc.and_(given, pc.is_valid(column))
        part = _unique(pa.Table.from_batches([batch.filter(given)]))
        parts.append(part)
        size += part.num_rows
        if size > _FOLD:
            parts = [_unique(pa.concat_tables(parts))]
            size = parts[0].num_rows // 2
    if not parts:
        return pa.table({name: pa.array([], type=pa.string()) for name in fields})
    return _unique(pa.concat_tables(parts))


def _unique(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names, use_threads=False).aggregate([])
