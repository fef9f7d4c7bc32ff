"""Phase 7: under `overwrite`, remove the records that no row of the file has. Other actions have nothing to clean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.domain import notice
from ingester.domain.errors import Held
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import Action
from ingester.phases.account import Account
from ingester.spill.notices import Notices
from ingester.spill.references import NOT_GIVEN, Resolved
from ingester.spill.verdict import Verdict
from ingester.store.entity_table import key_columns
from ingester.store.removal import Cleanup, Referring
from ingester.store.staging import Batches
from ingester.store.target import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """What keeps a mistake from emptying a table: beyond this share of the stored records, somebody has to agree."""

    percent: int
    approved: bool = False
    empty_approved: bool = False


def run(
    connection: Connection,
    target: Target,
    resolved: Resolved,
    referring: Referring,
    notices: Notices,
    verdict: Verdict,
    action: Action,
    guard: Guard,
    created: int,
    *,
    dry_run: bool,
) -> tuple[int, PhaseRecord]:
    """Remove, or count what would be removed; `created` is how many records the import made, or would make.

    Raises Held, unless this is a dry run, when the guard trips.
    """
    account = Account(PhaseName.CLEANUP)
    if action is not Action.OVERWRITE:
        return 0, account.skip(f"the action is {action}")
    if not verdict.total:
        if not dry_run and not guard.empty_approved:
            raise Held("empty_overwrite", notice.message("empty_overwrite"))
        notices.add_to_file("empty_overwrite")
    if target.keyed and not set(_key(target)) <= set(resolved.rows.fields):
        return 0, account.skip("the file has no key column")
    unreadable = _unreadable(target, resolved, verdict) if target.keyed else 0
    if unreadable:
        notices.add_to_file("cleanup_skipped", expected=str(unreadable))
        return 0, account.skip("rows whose key cannot be read may be about any record")
    with Cleanup(connection, target, referring, _present(target, resolved, verdict)) as cleanup:
        kept = cleanup.keep_referenced()
        leaving, stored = cleanup.counts()
        # As it was before the import, which a dry run has not changed.
        before = stored if dry_run else stored - created
        # Without a key every record is replaced by another: what matters is how many fewer there will be.
        fewer = leaving if target.keyed else max(0, leaving - created)
        if fewer * 100 > before * guard.percent:
            _trip(notices, guard, fewer, before, dry_run=dry_run)
        for each in kept:
            shown = ", ".join(each.keys) + (", …" if each.count > len(each.keys) else "")
            notices.add_to_file("kept_referenced", expected=f"{each.count} of them ({each.by})", value=shown)
        removed = leaving if dry_run else cleanup.apply()
    return removed, account.close(total=before, error=0)


def _trip(notices: Notices, guard: Guard, leaving: int, stored: int, *, dry_run: bool) -> None:
    said = f"{leaving} of {stored}"
    if not guard.approved and not dry_run:
        raise Held("mass_removal", notice.message("mass_removal", expected=said))
    notices.add_to_file("mass_removal", expected=said)


def _key(target: Target) -> tuple[str, ...]:
    return key_columns(target.entity)


def _unreadable(target: Target, resolved: Resolved, verdict: Verdict) -> int:
    """How many rows lack a part of their key, or were too broken to be cut into cells."""
    whole = (pc.sum(_whole(batch)).as_py() or 0 for _, batch, _ in resolved.batches(_key(target)))
    return verdict.total - int(sum(whole))


def _whole(batch: pa.RecordBatch) -> pa.BooleanArray:
    whole = pc.is_valid(batch.column(0))
    for column in batch.columns[1:]:
        whole = pc.and_(whole, pc.is_valid(column))
    return whole


def _present(target: Target, resolved: Resolved, verdict: Verdict) -> Batches:
    """Every row's key, and what the good rows come to refer to among the entity's own records."""
    own = target.own_references
    for numbers, batch, ids in resolved.batches(_key(target) if target.keyed else ()):
        good = verdict.good(numbers)
        columns = list(batch.columns)
        for name in own:
            says = good & (target.erases | (ids[name] != NOT_GIVEN))
            columns.append(pa.array(np.maximum(ids[name], NOT_GIVEN), mask=~says))
        if columns:
            yield numbers, pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, *own])
