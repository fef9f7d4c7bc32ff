"""The spool: files whose import failed, and what nobody knows or needs any more.

A quarantined file can be imported again until it is removed; its import says then that its bytes are gone. What a crash
left is removed at start-up; this is for services that run for long.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update
from sqlmodel import Session, col, select

from ingester.directory import DataDirectory
from ingester.domain import notice
from ingester.domain.status import Status
from ingester.outbox import status
from ingester.retention import folder
from ingester.retention.folder import File
from ingester.retention.removed import Removed
from ingester.retention.report import ended_before, note
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import, Tenant
from ingester.store.retention import Periods, held

_SLICE = 200
_REASON = "drop_missing"

#: The periods of a tenant.
PeriodsOf = Callable[[Tenant], Periods]


class SpoolFiles:
    """What lies in the spool, whoever's it is; or only what is `only` one tenant's."""

    def __init__(self, ledger: Ledger, directory: DataDirectory, *, only: str | None = None) -> None:
        self._ledger = ledger
        self._directory = directory
        self._only = only

    # --- files whose import failed -------------------------------------------------------------------------------

    def quarantine(self, periods: PeriodsOf, at: datetime, *, dry_run: bool) -> Iterator[list[Removed]]:
        """Remove quarantined files, and have their imports say so."""
        for files in folder.slices(self._directory.quarantine, _SLICE):
            yield self._failed(files, periods, at, dry_run=dry_run)

    def _failed(self, files: Sequence[File], periods: PeriodsOf, at: datetime, *, dry_run: bool) -> list[Removed]:
        ids = [file.name for file in files]
        with self._ledger.reading() as session:
            decided = list(self._decide(session, ids, periods, at))
        if decided and not dry_run:
            with self._ledger.writing() as session:
                decided = list(self._decide(session, ids, periods, at))
                for drop, jobs, removed in decided:
                    if removed is not None:
                        self._say_gone(session, drop, jobs, at)
                note(session, [removed for _, _, removed in decided if removed is not None], at)
            folder.remove(self._directory.quarantine, [drop.id for drop, _, _ in decided])
            for drop, jobs, removed in decided:
                for job in jobs if removed is not None else ():
                    self._tell(job, drop)
        return [removed for _, _, removed in decided if removed is not None]

    def _decide(
        self, session: Session, ids: Sequence[str], periods: PeriodsOf, at: datetime
    ) -> Iterator[tuple[Drop, list[Import], Removed | None]]:
        """Drops that go, with their imports; without a `Removed` those of which only the file is left by a crash."""
        for drop, jobs, tenant in self._with_imports(session, ids):
            if drop.removed_at is not None:
                yield drop, jobs, None
                continue
            period = periods(tenant)["quarantine"]
            limit, kept = period.limit(at), held(session, drop.tenant)
            if limit is None or "" in kept or not all(_may_go(job, limit, kept) for job in jobs):
                continue
            removed = Removed(
                tenant=drop.tenant,
                place="quarantine",
                what=drop.name,
                policy=f"quarantine {period}",
                size=drop.size,
                import_id=jobs[0].id,
            )
            yield drop, jobs, removed

    def _say_gone(self, session: Session, drop: Drop, jobs: Sequence[Import], at: datetime) -> None:
        session.exec(update(Drop).where(col(Drop.id) == drop.id).values(removed_at=at, shown=False))
        for job in jobs:
            message = f"{notice.message(_REASON)}; before that: {job.message or job.reason or 'it failed'}"
            job.reason, job.message = _REASON, message
            session.add(job)

    def _with_imports(self, session: Session, ids: Sequence[str]) -> Iterator[tuple[Drop, list[Import], Tenant]]:
        statement = (
            select(Drop, Import, Tenant)
            .join(Import, col(Import.drop_id) == col(Drop.id))
            .join(Tenant, col(Tenant.name) == col(Drop.tenant))
            .where(col(Drop.id).in_(ids), col(Tenant.purging_at).is_(None))
            .order_by(col(Drop.id), col(Import.sequence))
        )
        if self._only is not None:
            statement = statement.where(Drop.tenant == self._only)
        found: dict[str, tuple[Drop, list[Import], Tenant]] = {}
        for drop, job, tenant in session.exec(statement):
            found.setdefault(drop.id, (drop, [], tenant))[1].append(job)
        yield from found.values()

    def _tell(self, job: Import, drop: Drop) -> None:
        """Have the status file say it, if there is one."""
        outbox = self._directory.tenant(job.tenant).outbox
        if status.told(outbox, job, drop) is not None:
            status.put(outbox, status.document(job, drop), self._directory.work)

    # --- what nobody needs ---------------------------------------------------------------------------------------

    def leftovers(self, days: int, at: datetime, *, dry_run: bool) -> Iterator[list[Removed]]:
        """Remove uploads that nobody writes any more, files that the ledger never heard of, and spent workspaces."""
        limit, policy = at - timedelta(days=days), f"spool {days} days"
        for place in (self._directory.drops, self._directory.quarantine):
            for files in folder.slices(place, _SLICE):
                old = {file.name: file for file in files if file.changed_at < limit}
                unknown = old.keys() - self._ledger.known_drops(old)
                yield self._left(place, [old[name] for name in sorted(unknown)], policy, at, dry_run=dry_run)
        incoming = self._directory.incoming
        for files in folder.slices(incoming, _SLICE):
            old_files = [file for file in files if file.changed_at < limit and not _is_locked(incoming / file.name)]
            yield self._left(incoming, old_files, policy, at, dry_run=dry_run)
        work = self._directory.work
        for files in folder.slices(work, _SLICE):
            old_files = [file for file in files if file.changed_at < limit]
            yield self._left(work, old_files, policy, at, dry_run=dry_run)
        for name in folder.names(work):
            yield self._workspace(work / name, limit, policy, at, dry_run=dry_run)

    def _left(self, place: Path, files: Sequence[File], policy: str, at: datetime, *, dry_run: bool) -> list[Removed]:
        found = [Removed("", "spool", f"{place.name}/{file.name}", policy, size=file.size) for file in files]
        if not dry_run and found:
            with self._ledger.writing() as session:
                note(session, found, at)
            folder.remove(place, [file.name for file in files])
        return found

    def _workspace(
        self, workspace: Path, limit: datetime, policy: str, at: datetime, *, dry_run: bool
    ) -> list[Removed]:
        try:
            changed_at = datetime.fromtimestamp(workspace.lstat().st_ctime, UTC)
        except FileNotFoundError:
            return []
        if changed_at >= limit or not workspace.is_dir() or workspace.is_symlink():
            return []
        with self._ledger.reading() as session:
            job = session.exec(select(Import).where(Import.id == workspace.name.partition(".")[0])).first()
        if job is not None and not job.status.ended:
            return []
        found = [Removed("", "spool", f"work/{workspace.name}", policy, files=len(list(workspace.rglob("*"))))]
        if not dry_run:
            with self._ledger.writing() as session:
                note(session, found, at)
            shutil.rmtree(workspace, ignore_errors=True)
        return found


def _may_go(job: Import, limit: datetime, kept: set[str]) -> bool:
    return job.status is not Status.COMPLETED and job.id not in kept and ended_before(job, limit)


def _is_locked(upload: Path) -> bool:
    """Whether somebody is still writing it: uploads in flight are locked for as long as they live."""
    try:
        descriptor = os.open(upload, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
