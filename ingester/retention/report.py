"""Originals in the archive and reports in the outbox, once their import has ended for long enough.

When an import ended is what the ledger says; of a file that the ledger does not know any more, its own time of change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from sqlalchemy import update
from sqlmodel import Session, col, select

from ingester.directory import DataDirectory
from ingester.outbox import name as outbox_name
from ingester.retention import folder
from ingester.retention.folder import File
from ingester.retention.removed import Removed
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import, Tenant
from ingester.store.retention import Period, held, record

#: Files looked at in one step.
_SLICE = 200
_ARCHIVE, _OUTBOX = "archive", "outbox"


@dataclass(frozen=True, slots=True)
class _Decision:
    """Files of one import that go together."""

    removed: Removed
    files: list[str]
    drop: Drop | None
    #: Decided already, before a crash: only the files are still to go.
    again: bool


class Reports:
    """What of one tenant lies in its archive and outbox."""

    def __init__(self, ledger: Ledger, directory: DataDirectory, tenant: Tenant) -> None:
        self._ledger = ledger
        self._tenant = tenant.name
        self._folders = directory.tenant(tenant.name)

    def archive(self, period: Period, at: datetime, *, dry_run: bool) -> Iterator[list[Removed]]:
        """Remove originals, day by day, and the folders of days that nothing is left of."""
        limit = period.limit(at)
        for day in folder.names(self._folders.archive) if limit is not None else ():
            if not _is_before(day, limit):
                continue
            place = self._folders.archive / day
            for files in folder.slices(place, _SLICE):
                yield self._step(_ARCHIVE, place, files, period, at, dry_run=dry_run)
            if not dry_run:
                folder.remove_empty(place)

    def outbox(self, period: Period, at: datetime, *, dry_run: bool) -> Iterator[list[Removed]]:
        """Remove status files and reports."""
        for files in folder.slices(self._folders.outbox, _SLICE) if period.limit(at) is not None else ():
            yield self._step(_OUTBOX, self._folders.outbox, files, period, at, dry_run=dry_run)

    def _step(
        self, place: str, where: Path, files: Sequence[File], period: Period, at: datetime, *, dry_run: bool
    ) -> list[Removed]:
        """Decide about some files in one transaction, then remove them."""
        with self._ledger.reading() as session:
            decided = self._decide(session, place, files, period, at)
        if decided and not dry_run:
            with self._ledger.writing() as session:
                decided = self._decide(session, place, files, period, at)
                note(session, [each.removed for each in decided if not each.again], at)
                if place == _ARCHIVE:
                    drops = [each.drop.id for each in decided if each.drop is not None and not each.again]
                    session.exec(update(Drop).where(col(Drop.id).in_(drops)).values(removed_at=at, shown=False))
            folder.remove(where, [name for each in decided for name in each.files])
        return [each.removed for each in decided if not each.again]

    def _decide(
        self, session: Session, place: str, files: Sequence[File], period: Period, at: datetime
    ) -> list[_Decision]:
        limit, kept = period.limit(at), held(session, self._tenant)
        if limit is None or "" in kept:
            return []
        known = self._known(session, {_import_of(file) for file in files})
        decided = []
        for short_id, group in groupby(sorted(files, key=_import_of), key=_import_of):
            job, drop = known.get(short_id, (None, None))
            if job is None:
                going = [[file] for file in group if file.changed_at < limit]
            elif job.id not in kept and ended_before(job, limit):
                going = [list(group)]
            else:
                continue
            again = place == _ARCHIVE and drop is not None and drop.removed_at is not None
            for some in going:
                removed = Removed(
                    tenant=self._tenant,
                    place=place,
                    what=some[0].name if drop is None else drop.name,
                    policy=f"{place} {period}",
                    files=len(some),
                    size=sum(file.size for file in some),
                    import_id=None if job is None else job.id,
                )
                decided.append(_Decision(removed, [file.name for file in some], drop, again))
        return decided

    def _known(self, session: Session, short_ids: set[str]) -> dict[str, tuple[Import, Drop]]:
        statement = (
            select(Import, Drop)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(Import.tenant == self._tenant, col(Import.short_id).in_(short_ids))
        )
        return {job.short_id: (job, drop) for job, drop in session.exec(statement)}


def note(session: Session, removed: Sequence[Removed], at: datetime) -> None:
    """Enter what goes in the record, in the transaction that decides it."""
    for each in removed:
        record(
            session,
            tenant=each.tenant,
            place=each.place,
            what=each.what,
            policy=each.policy,
            at=at,
            files=each.files,
            size=each.size,
            import_id=each.import_id,
        )


def ended_before(job: Import, limit: datetime) -> bool:
    """Whether an import has ended, and did so before a moment."""
    return job.status.ended and job.completed_at is not None and job.completed_at < limit


def _import_of(file: File) -> str:
    return outbox_name.short_id(file.name) or ""


def _is_before(day: str, limit: datetime | None) -> bool:
    """Whether a folder of the archive is of a day that began before a moment; other folders are not ours."""
    try:
        return limit is not None and datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) < limit
    except ValueError:
        return False
