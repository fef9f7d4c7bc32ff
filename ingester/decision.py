"""What people decide about an import: approve or reject a hold, cancel what waits, try again what failed.

Each decision is one conditional change in the ledger; the status file follows it, and workers are woken.
"""

from __future__ import annotations

from ingester import wake
from ingester.directory import DataDirectory
from ingester.domain import notice
from ingester.outbox import publish, status
from ingester.queue import Queue
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import


class Decisions:
    """Raise UsageError where an import is not in a state for the decision, or has just left it."""

    def __init__(self, ledger: Ledger, directory: DataDirectory) -> None:
        self._ledger = ledger
        self._queue = Queue(ledger)
        self._directory = directory

    def approve(self, job: Import) -> Import:
        """Let a held import run, past what it was held for."""
        self._queue.approve(job)
        return self._tell(job)

    def retry(self, job: Import) -> Import:
        """Run a failed import again."""
        self._queue.retry(job)
        return self._tell(job)

    def cancel(self, job: Import, drop: Drop) -> Import:
        """End an import that waits, queued or held, without importing anything; its original goes to the archive."""
        self._queue.cancel(job, notice.message("canceled"))
        self._ledger.relocate(drop.id, publish.archive(self._directory, job, drop, now()))
        return self._tell(job)

    def _tell(self, job: Import) -> Import:
        job, drop = self._ledger.import_(job.id)
        status.put(self._directory.tenant(job.tenant).outbox, status.document(job, drop), self._directory.work)
        wake.nudge(self._directory.sleepers)
        return job
