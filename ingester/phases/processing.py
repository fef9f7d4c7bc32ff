"""Phase 6: stage the rows that nothing speaks against and merge them as sets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection

from ingester.domain.errors import InvariantError
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.phases.account import Account
from ingester.ruleset.model import Entity
from ingester.spill.rows import Rows
from ingester.spill.verdict import Verdict
from ingester.store.merge import Merge, Merged, Scope


def run(
    connection: Connection, rows: Rows, entity: Entity, verdict: Verdict, scope: Scope, *, dry_run: bool
) -> tuple[Merged, PhaseRecord]:
    """Merge into the entity's table, or count what a merge would do."""
    account = Account(PhaseName.PROCESSING)
    if not verdict.valid_rows:
        return Merged(0, 0, 0), account.skip("no row is valid")
    merge = Merge(connection, entity, rows.fields, scope)
    merge.stage(_good(rows, verdict))
    if merge.staged != verdict.valid_rows:
        raise InvariantError("not every valid row was staged", staged=merge.staged, valid=verdict.valid_rows)
    merged = merge.predict() if dry_run else merge.apply()
    merge.drop()
    return merged, account.close(total=verdict.valid_rows, error=0)


def _good(rows: Rows, verdict: Verdict) -> Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]:
    for numbers, batch in rows.batches():
        keep = verdict.good(numbers)
        yield numbers[keep], batch.filter(pa.array(keep))
