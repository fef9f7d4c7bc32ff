"""Regular jobs, in threads, in exactly one process: the one that holds a lease. A stand-by takes over when it dies."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from ingester.domain.errors import TransientError
from ingester.store.lease import RENEWAL_SECONDS, Leadership
from ingester.store.ledger import Ledger

log = structlog.get_logger()


class Clock:
    """Runs jobs while it leads. `holder` must be a name that no other process has.

    `alone`: no other process can have a clock of this ledger, so the lease of one that was killed need not run out.
    """

    def __init__(self, ledger: Ledger, lease: str, holder: str, *, alone: bool) -> None:
        self._lease = lease
        self._alone = alone
        self._leadership = Leadership(ledger, lease, holder)
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
        self._scheduler.add_job(_patient(self.lead), "interval", seconds=RENEWAL_SECONDS, name="lead")

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
            log.info(f"{self._lease}_leads")
        elif led and not self._leadership.holds:
            log.warning(f"{self._lease}_lost_its_lease")

    def stop_leading(self) -> None:
        """Let another clock lead at once."""
        self._leadership.release()


def _patient(job: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            job()
        except TransientError as error:
            log.warning("clock_waits", job=getattr(job, "__name__", "job"), error=str(error))

    return run
