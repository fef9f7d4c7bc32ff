"""What people decide about an import: approve or reject a hold, cancel what waits, try again what failed.

Each decision is one conditional change in the ledger; the status file goes with it, and workers are woken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial

from ingester import turn
from ingester.directory import DataDirectory
from ingester.domain import notice
from ingester.domain.errors import UsageError
from ingester.domain.status import Status
from ingester.fileset import FileSets
from ingester.outbox import publish, status
from ingester.queue import Queue
from ingester.routing import Router
from ingester.store.database import now
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Feed, Import, Tenant
from ingester.wake import Bell


class Decisions:
    """Raise UsageError where an import is not in a state for the decision, or has just left it.

    Without `store` nobody can tell whether an import that was begun is applied, and then it is not canceled.
    """

    def __init__(self, ledger: Ledger, directory: DataDirectory, store: DataStore | None = None) -> None:
        self._ledger = ledger
        self._queue = Queue(ledger)
        self._directory = directory
        self._store = store
        self._sets = FileSets(ledger, directory)
        self._bell = Bell(directory, ledger)

    def approve(self, job: Import, drop: Drop) -> None:
        """Let a held import run, past what it was held for."""
        self._queue.approve(job, partial(self._tell, drop))
        self._bell.ring()

    def retry(self, job: Import, drop: Drop) -> None:
        """Run a failed import again, unless its bytes are gone."""
        self._refuse_removed(job, drop)
        if job.is_set:
            raise UsageError(f"import {job.short_id} is an archive", fix="Retry its files, one by one.")
        self._queue.retry(job, partial(self._tell, drop))
        self._bell.ring()

    def route_again(self, job: Import, drop: Drop, router: Router, tenant: Tenant, feeds: Sequence[Feed]) -> None:
        """Match a file whose type nobody knew to the feeds and rules that there are now, and queue it."""
        if job.status is not Status.FAILED or job.entity is not None:
            raise UsageError(f"import {job.short_id} is {job.status}", fix="Only what nobody knew is matched again.")
        self._refuse_removed(job, drop)
        was = job.status
        route = router.route(tenant, feeds, drop.folder, drop.member or drop.name)
        router.apply(route, job, now())
        if job.status.ended:
            raise UsageError(
                f"import {job.short_id} still has no type: {job.message}",
                fix=f"Add a feed for it: ingester feed add {job.tenant} NAME --pattern … --entity …",
            )
        if not self._ledger.reroute(job, drop, was):
            raise UsageError(f"import {job.short_id} is no longer {was}", fix="Look again and decide anew.")
        self._queue.tell(job, Status.QUEUED, partial(self._tell_wait, drop))
        self._bell.ring()

    def start(self, job: Import, drop: Drop) -> None:
        """Let an import that waits for its time start now; what else keeps it waiting still does."""
        self._queue.start(job)
        if not job.attempts:  # else its last status may be there already
            self._queue.tell(job, Status.QUEUED, partial(self._tell_wait, drop))
        self._bell.ring()

    def cancel(self, job: Import, drop: Drop) -> None:
        """End an import that waits, queued or held, without importing anything; its original goes to the archive."""
        if job.is_set:
            self._cancel_members(job)
            return
        if job.status is Status.QUEUED and job.attempts and self._may_be_applied(job):
            raise UsageError(f"import {job.short_id} has begun", fix="Its rows may be stored; wait for its report.")
        at = now()
        self._queue.cancel(job, notice.message("canceled"), partial(self._tell, drop), at)
        self._ledger.relocate(drop.id, publish.archive(self._directory, job, drop, at))
        self._sets.close_of(job)
        # Those behind it may start now.
        self._bell.ring()

    def _cancel_members(self, job: Import) -> None:
        """End those files of an archive that wait; what has begun goes on, and then the archive ends as well."""
        canceled = 0
        for drop, member in self._sets.members(job.id):
            if member.status in (Status.QUEUED, Status.NEEDS_ATTENTION):
                with contextlib.suppress(UsageError):  # it has begun
                    self.cancel(member, drop)
                    canceled += 1
        if not canceled:
            raise UsageError(f"of import {job.short_id} nothing waits", fix="Its files have begun, or have ended.")

    def reject_members(self, job: Import) -> None:
        """End those files of an archive that are held."""
        for drop, member in self._sets.members(job.id) if job.is_set else ():
            if member.status is Status.NEEDS_ATTENTION:
                with contextlib.suppress(UsageError):  # somebody was faster
                    self.cancel(member, drop)

    def failed_members(self, job: Import) -> Sequence[tuple[Drop, Import]]:
        """Of an archive, the files that may be tried again; none of other imports."""
        stopped = (Status.FAILED, Status.TIMED_OUT)
        return [each for each in self._sets.members(job.id) if each[1].status in stopped] if job.is_set else []

    def supersede(self, job: Import, drop: Drop, by: Drop) -> None:
        """End a held import since a newer drop of its feed takes its place."""
        message, at = notice.message("superseded", expected=by.name), now()
        self._queue.cancel(job, message, partial(self._tell, drop), at, reason="superseded")
        self._ledger.relocate(drop.id, publish.archive(self._directory, job, drop, at))
        self._sets.close_of(job)
        self._bell.ring()

    def _refuse_removed(self, job: Import, drop: Drop) -> None:
        if drop.removed_at is not None:
            raise UsageError(f"the file of import {job.short_id} was removed", fix="It must be sent again.")

    def _may_be_applied(self, job: Import) -> bool:
        return self._store is None or self._store.outcome(job.id) is not None

    def _tell_wait(self, drop: Drop, job: Import) -> None:
        with self._ledger.reading() as session:
            wait = turn.waits(session, [job], now()).get(job.id)
        found = None if wait is None or not wait.lasting else status.waiting(wait.reason, wait.expected)
        outbox = self._directory.tenant(job.tenant).outbox
        status.put(outbox, status.document(job, drop, found), self._directory.work)

    def _tell(self, drop: Drop, job: Import) -> None:
        status.put(self._directory.tenant(job.tenant).outbox, status.document(job, drop), self._directory.work)
