"""The service's regular jobs: wake workers for what is due, take back what dead workers left, end what is superseded.

Many processes may have a clock; the jobs run in the one that holds the lease `scheduler`, and a stand-by takes over.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from ingester.decision import Decisions
from ingester.directory import DataDirectory
from ingester.domain.errors import TransientError, UsageError
from ingester.queue import Queue
from ingester.store.database import now
from ingester.store.lease import RENEWAL_SECONDS, Leadership
from ingester.store.ledger import Ledger
from ingester.wake import Bell

log = structlog.get_logger()

_DUE_SECONDS = 1.0
_RECOVER_SECONDS = 15.0
_TIDY_SECONDS = 30.0


class Clock:
    """Runs the regular jobs in threads while it leads. `alone`: no other process can have a clock of this ledger."""

    def __init__(
        self,
        ledger: Ledger,
        directory: DataDirectory,
        visible_grace: timedelta,
        *,
        name: str = "scheduler",
        alone: bool = True,
    ) -> None:
        self._ledger = ledger
        self._queue = Queue(ledger)
        self._directory = directory
        self._decisions = Decisions(ledger, directory)
        self._bell = Bell(directory, ledger)
        self._visible_grace = visible_grace
        self._alone = alone
        self._leadership = Leadership(ledger, "scheduler", name)
        self._looked_at = now()
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
        self._scheduler.add_job(_patient(self.lead), "interval", seconds=RENEWAL_SECONDS, name="lead")
        self.every(_DUE_SECONDS, self.wake_for_due)
        self.every(_DUE_SECONDS, self.supersede)
        self.every(_RECOVER_SECONDS, self.recover)
        self.every(_TIDY_SECONDS, self.tidy)

    def every(self, seconds: float, job: Callable[[], None]) -> None:
        """Run a job so often while this clock leads. A database that is away for a while ends one run, not the job."""

        def run() -> None:
            if self._leadership.holds:
                job()

        run.__name__ = job.__name__
        self._scheduler.add_job(_patient(run), "interval", seconds=seconds, name=job.__name__)

    @property
    def leads(self) -> bool:
        """Whether the jobs run here, and nowhere else."""
        return self._leadership.holds

    @property
    def is_alive(self) -> bool:
        """Whether the jobs run at all, here or when the lease comes here."""
        return bool(self._scheduler.running)

    def start(self) -> None:
        """Begin."""
        _patient(self.lead)()
        self._scheduler.start()

    def stop(self) -> None:
        """End; a job at work finishes first. A stand-by can take over at once."""
        self._scheduler.shutdown(wait=True)
        _patient(self.stop_leading)()

    def lead(self) -> None:
        """Renew the lease, or take it from whoever let it expire."""
        led = self._leadership.holds
        if self._leadership.renew(alone=self._alone) and not led:
            log.info("scheduler_leads")
        elif led and not self._leadership.holds:
            log.warning("scheduler_lost_its_lease")

    def stop_leading(self) -> None:
        """Let another clock lead at once."""
        self._leadership.release()

    def wake_for_due(self) -> None:
        """Wake the workers if an import has become due: when its window opened, or after a retry's delay."""
        at = now()
        if self._queue.became_due(self._looked_at, at):
            self._bell.ring()
        self._looked_at = at

    def supersede(self) -> None:
        """End held imports where their feed says that a newer drop takes their place."""
        for job, drop, newer in self._ledger.superseded():
            try:
                self._decisions.supersede(job, drop, newer)
                log.info("import_superseded", tenant=job.tenant, import_id=job.id, by=newer.name)
            except UsageError as error:
                log.info("import_not_superseded", tenant=job.tenant, import_id=job.id, why=str(error))

    def recover(self) -> None:
        """Queue again what workers left that stopped renewing their lease."""
        lost = self._queue.recover()
        if lost:
            log.warning("leases_expired", imports=lost)
            self._bell.ring()

    def tidy(self) -> None:
        """Take ended drops out of the inbox for good."""
        self._ledger.hide_ended(now() - self._visible_grace)


def _patient(job: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            job()
        except TransientError as error:
            log.warning("clock_waits", job=getattr(job, "__name__", "job"), error=str(error))

    return run
