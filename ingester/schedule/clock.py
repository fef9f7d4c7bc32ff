"""The service's regular jobs: wake workers for what is due, queue again what dead workers left, tidy the inbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from ingester import wake
from ingester.directory import DataDirectory
from ingester.domain.errors import TransientError
from ingester.queue import Queue
from ingester.retention.keeper import Keeper
from ingester.store.database import now
from ingester.store.ledger import Ledger

log = structlog.get_logger()

_DUE_SECONDS = 1.0
_RECOVER_SECONDS = 15.0
_TIDY_SECONDS = 30.0
_KEEP_SECONDS = 5.0


class Clock:
    """Runs the regular jobs in threads. Exactly one process of a service has one."""

    def __init__(self, ledger: Ledger, directory: DataDirectory, visible_grace: timedelta, keeper: Keeper) -> None:
        self._ledger = ledger
        self._queue = Queue(ledger)
        self._directory = directory
        self._visible_grace = visible_grace
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
        self._every(_DUE_SECONDS, self.wake_for_due)
        self._every(_RECOVER_SECONDS, self.recover)
        self._every(_TIDY_SECONDS, self.tidy)
        self._every(_KEEP_SECONDS, keeper.work)

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """End; a job at work finishes first."""
        self._scheduler.shutdown(wait=True)

    def wake_for_due(self) -> None:
        """Wake the workers if an import has become due: after a retry's delay, or when a nudge was lost."""
        due = self._queue.next_due()
        if due is not None and due <= now():
            wake.nudge(self._directory.sleepers)

    def recover(self) -> None:
        """Queue again what workers left that stopped renewing their lease."""
        lost = self._queue.recover()
        if lost:
            log.warning("leases_expired", imports=lost)
            wake.nudge(self._directory.sleepers)

    def tidy(self) -> None:
        """Take ended drops out of the inbox for good."""
        self._ledger.hide_ended(now() - self._visible_grace)

    def _every(self, seconds: float, job: Callable[[], None]) -> None:
        def run() -> None:
            try:
                job()
            except TransientError as error:
                log.warning("clock_waits", job=job.__name__, error=str(error))

        self._scheduler.add_job(run, "interval", seconds=seconds, name=job.__name__)
