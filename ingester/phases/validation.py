"""Phase 5: what a row says of other records must hold in the state after this import: references, unique values.

Both are reported for every row whose cells could be read, also for one that is rejected already, so that a customer
mends everything at once. Rejecting a row can take away the parent another row refers to, or the move that freed a
unique value: the checks repeat until nothing more falls.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.domain import notice
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.phases.account import Account
from ingester.ruleset.model import Entity, Field
from ingester.spill.notices import Kind, Notices
from ingester.spill.references import Unresolved, having
from ingester.spill.repeats import repeats
from ingester.spill.rows import ROW, Rows
from ingester.spill.verdict import Verdict
from ingester.store.lookup import taken_values
from ingester.store.merge import Scope

_Found = Iterator[tuple[Kind, npt.NDArray[np.int64]]]


def run(
    connection: Connection | None,
    rows: Rows,
    entity: Entity,
    notices: Notices,
    verdict: Verdict,
    workspace: Path,
    scope: Scope,
    unresolved: list[Unresolved],
) -> PhaseRecord:
    """Check references and unique values of all rows; without a connection, unique values in the file only."""
    account = Account(PhaseName.VALIDATION)
    total = verdict.valid_rows
    unique = [field for field in entity.fields if field.name in rows.fields and _must_be_unique(field, entity)]
    if not unique and not entity.foreign_keys:
        return account.skip("the entity has no references and no unique fields", total=total)
    depends_on_itself = bool(unique) or any(key.foreign_key.entity == entity.name for key in unresolved)
    struck: dict[Kind, npt.NDArray[np.int64]] = {}
    turn, before = 0, -1
    while verdict.valid_rows != before and (turn == 0 or depends_on_itself):
        before = verdict.valid_rows
        for found in (
            *(_unique(connection, rows, field, entity, verdict, workspace, scope) for field in unique),
            *(_references(rows, entity, verdict, missing) for missing in unresolved),
        ):
            for number, (kind, numbers) in enumerate(found):
                new = numbers if kind not in struck else np.setdiff1d(numbers, struck[kind], assume_unique=True)
                struck[kind] = new if kind not in struck else np.concatenate((struck[kind], new))
                verdict.reject(notices.add(f"{PhaseName.VALIDATION}-{turn}-{kind.field}-{number}", [(kind, new)]))
        turn += 1
    return account.close(total=total, error=total - verdict.valid_rows)


def _must_be_unique(field: Field, entity: Entity) -> bool:
    return field.constraints.unique and entity.primary_key != (field.name,)


def _references(rows: Rows, entity: Entity, verdict: Verdict, missing: Unresolved) -> _Found:
    """Rows that refer to a record which neither is stored nor comes with this file."""
    key = missing.foreign_key
    kind = Kind("reference_not_found", key.fields, notice.message("reference_not_found", expected=key.entity))
    values = missing.values
    if key.entity == entity.name and set(key.reference_fields) <= set(rows.fields):
        values = _without_own(rows, verdict, key.reference_fields, values)
    struck = [numbers[having(batch, key.fields, values)] for numbers, batch in rows.batches(key.fields)]
    yield kind, np.concatenate(struck) if struck else np.empty(0, np.int64)


def _without_own(rows: Rows, verdict: Verdict, reference: tuple[str, ...], values: pa.Table) -> pa.Table:
    """Those of `values` that no good row of the file has as its key: a parent may come later in the same file."""
    parents = [
        batch.filter(pa.array(verdict.good(numbers) & having(batch, reference, values)))
        for numbers, batch in rows.batches(reference)
    ]
    present = pa.Table.from_batches(parents).rename_columns(values.column_names)
    return values.join(present, keys=values.column_names, join_type="left anti", use_threads=False)


def _unique(
    connection: Connection | None,
    rows: Rows,
    field: Field,
    entity: Entity,
    verdict: Verdict,
    workspace: Path,
    scope: Scope,
) -> _Found:
    """Rows whose value another row of the file has, or another record that this file does not change."""
    kind = Kind("not_unique", (field.name,), notice.message("not_unique"))
    repeated = [table[ROW].to_numpy() for table in repeats(rows, (field.name,), verdict.good, workspace)]
    yield kind, np.concatenate(repeated) if repeated else np.empty(0, np.int64)
    if connection is None:
        return
    columns = (field.name, *entity.primary_key)
    taken = Kind("value_taken", (field.name,), notice.message("value_taken"))
    yield taken, taken_values(connection, entity, field.name, _good(rows, columns, verdict), scope)


def _good(
    rows: Rows, columns: tuple[str, ...], verdict: Verdict
) -> Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]:
    for numbers, batch in rows.batches(columns):
        keep = verdict.good(numbers) & pc.is_valid(batch.column(0)).to_numpy(zero_copy_only=False)
        yield numbers[keep], batch.filter(pa.array(keep))
