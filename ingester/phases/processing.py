"""Phase 6: bring the rows that nothing speaks against into the entity's table, as sets."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import Connection

from ingester.domain.errors import InvariantError
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import Action
from ingester.phases.account import Account
from ingester.spill.references import MISSING, NOT_GIVEN, RECORD, Resolved, provided
from ingester.spill.verdict import Verdict
from ingester.store import merge, removal
from ingester.store.merge import Merged
from ingester.store.staging import Batches
from ingester.store.target import Target


def run(
    connection: Connection, target: Target, resolved: Resolved, verdict: Verdict, action: Action, *, dry_run: bool
) -> tuple[Merged, PhaseRecord]:
    """Merge or delete, or count what that would do."""
    account = Account(PhaseName.PROCESSING)
    if not verdict.valid_rows:
        return Merged(), account.skip("no row is valid")
    if action is Action.DELETE:
        done = Merged(deleted=_delete(connection, target, resolved, verdict, dry_run=dry_run))
    elif dry_run:
        done = merge.predict(connection, target, _good(resolved, verdict))
    else:
        done = merge.apply(connection, target, _good(resolved, verdict))
        _adopt(connection, target, resolved)
    _agree(done, verdict, action)
    return done, account.close(total=verdict.valid_rows, error=0)


def _good(resolved: Resolved, verdict: Verdict) -> Batches:
    for numbers, batch, ids in resolved.batches():
        keep = verdict.good(numbers)
        chosen = batch.filter(pa.array(keep))
        names, columns = list(batch.schema.names), list(chosen.columns)
        for name, column in ids.items():
            if name != RECORD:
                kept = column[keep]
                names.append(name)
                # A record that comes with the file has no id yet: whatever is stored is another one.
                columns.append(pa.array(kept, mask=kept == NOT_GIVEN))
        yield numbers[keep], pa.RecordBatch.from_arrays(columns, names=names)


def _delete(connection: Connection, target: Target, resolved: Resolved, verdict: Verdict, *, dry_run: bool) -> int:
    # Each good row names a record of its own: that it exists, and that no other row names it, is checked by now.
    return verdict.valid_rows if dry_run else removal.delete(connection, target, resolved.records(verdict))


def _adopt(connection: Connection, target: Target, resolved: Resolved) -> None:
    """Resolve references to records that came with the file itself: only now do they have ids."""
    for key in provided(target.entity, resolved.rows):
        if key.entity == target.entity.name and any((ids == MISSING).any() for _, ids in resolved.ids(key.id_column)):
            merge.adopt(connection, target, key)


def _agree(done: Merged, verdict: Verdict, action: Action) -> None:
    """What an earlier phase found to be there, or not to be there, still must be."""
    counted = done.created + done.updated + done.skipped + done.deleted
    wrong = (action is Action.CREATE and done.created != counted) or (action is Action.UPDATE and done.created)
    if wrong or counted != verdict.valid_rows:
        raise InvariantError(
            "the table did not take what was checked", valid=verdict.valid_rows, did=done, action=action
        )
