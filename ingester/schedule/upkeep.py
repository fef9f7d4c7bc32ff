"""The regular jobs of the queue and its feeds: wake workers, take back what dead ones left, see what is late."""

from __future__ import annotations

from datetime import timedelta

import structlog

from ingester import alert, orphan
from ingester.decision import Decisions
from ingester.directory import DataDirectory
from ingester.domain.errors import UsageError
from ingester.expectation.lateness import Lateness
from ingester.fileset import FileSets
from ingester.queue import Queue
from ingester.schedule.clock import Clock
from ingester.store import companion
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.wake import Bell

log = structlog.get_logger()

_DUE_SECONDS = 1.0
_RECOVER_SECONDS = 15.0
_TIDY_SECONDS = 30.0
_EXPECT_SECONDS = 5.0
_FORGET_SECONDS = 3600.0
_ALERTS_KEPT = timedelta(days=90)


class Upkeep:
    """What a clock does for the queue. An ended drop stays listed in its inbox for the grace at most."""

    def __init__(self, ledger: Ledger, directory: DataDirectory, visible_grace: timedelta) -> None:
        self._ledger = ledger
        self._queue = Queue(ledger)
        self._decisions = Decisions(ledger, directory)
        self._sets = FileSets(ledger, directory)
        self._bell = Bell(directory, ledger)
        self._visible_grace = visible_grace
        self._lateness = Lateness(ledger)
        self._looked_at = now()

    def join(self, clock: Clock) -> None:
        """Have a clock do it."""
        clock.every(_DUE_SECONDS, self.wake_for_due)
        clock.every(_DUE_SECONDS, self.supersede)
        clock.every(_RECOVER_SECONDS, self.recover)
        clock.every(_TIDY_SECONDS, self.tidy)
        clock.every(_EXPECT_SECONDS, self.expect)
        clock.every(_FORGET_SECONDS, self.forget)

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
        """Queue again what workers left that stopped renewing their lease, and end sets that they left open."""
        lost = self._queue.recover()
        if lost:
            log.warning("leases_expired", imports=lost)
            self._bell.ring()
        self._sets.close_all()

    def tidy(self) -> None:
        """Take ended drops, and companions, out of the inbox for good; see to those whose file never came."""
        self._ledger.hide_ended(now() - self._visible_grace)
        companion.hide_old(self._ledger, now() - self._visible_grace)
        orphan.look(self._ledger, now())

    def expect(self) -> None:
        """Alert of drops that are late, and resolve what has arrived."""
        self._lateness.look(now())

    def forget(self) -> None:
        """Remove alerts that were resolved long ago."""
        alert.purge(self._ledger, now() - _ALERTS_KEPT)
