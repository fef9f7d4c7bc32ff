"""The ledger's history: imports that ended long ago, their attempts and drops, and their outcomes.

Kept whatever the period says: the last import of each line that changed anything, since repetitions are told by it; and
failed imports whose file is still in quarantine, since they can be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import exists, func
from sqlmodel import col, select

from ingester import turn
from ingester.domain.status import Outcome, Status
from ingester.retention.removed import Removed
from ingester.retention.report import note
from ingester.store.datastore import DataStore
from ingester.store.deletion import delete_imports, delete_outcomes
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import, S3Object, Tenant
from ingester.store.retention import Period, held

_SLICE = 100
_ENDED = tuple(status for status in Status if status.ended)
_RETRIABLE = (Status.FAILED, Status.TIMED_OUT)


class History:
    """What the ledger knows of one tenant's imports."""

    def __init__(self, ledger: Ledger, store: Callable[[], DataStore], tenant: Tenant) -> None:
        self._ledger = ledger
        self._store = store
        self._tenant = tenant.name

    def forget(self, period: Period, at: datetime, *, dry_run: bool) -> Iterator[list[Removed]]:
        """Forget what ended before the period began."""
        limit, after = period.limit(at), 0
        while limit is not None:
            jobs = self._old(limit, after)
            if not jobs:
                return
            after = jobs[-1].sequence or 0
            first, last = jobs[0].completed_at, jobs[-1].completed_at
            what = f"{len(jobs)} imports, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
            found = [Removed(self._tenant, "history", what, f"history {period}", files=0)]
            if not dry_run:
                ids = [job.id for job in jobs]
                # Outcomes first: one without an import would never be found again, the other way round does no harm.
                delete_outcomes(self._store(), ids)
                with self._ledger.writing() as session:
                    if held(session, self._tenant) & {"", *ids}:
                        return
                    delete_imports(session, ids)
                    note(session, found, at)
            yield found

    def _old(self, limit: datetime, after: int) -> list[Import]:
        last = (
            select(func.max(turn.PLACE))
            .where(
                Import.tenant == self._tenant,
                col(Import.outcome).in_((Outcome.ACCEPTED, Outcome.PARTIAL)),
                col(Import.run_id).is_(None) | (col(Import.run_id) != col(Import.id)),
            )
            .group_by(col(Import.catalogue), col(Import.entity), col(Import.source))
        )
        statement = (
            select(Import)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(
                Import.tenant == self._tenant,
                col(Import.sequence) > after,
                col(Import.completed_at) < limit,
                col(Import.status).in_(_ENDED),
                col(Import.status).not_in(_RETRIABLE) | col(Drop.removed_at).is_not(None),
                turn.PLACE.not_in(last),
                # An object that cannot be taken away would be landed again if nobody knew it any more.
                ~exists().where(col(S3Object.ref) == col(Drop.origin_ref), col(S3Object.settled_at).is_(None)),
            )
            .order_by(col(Import.sequence))
            .limit(_SLICE)
        )
        with self._ledger.reading() as session:
            kept = held(session, self._tenant)
            return [] if "" in kept else list(session.exec(statement.where(col(Import.id).not_in(kept))))
