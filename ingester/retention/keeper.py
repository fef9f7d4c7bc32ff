"""Goes through everything there is and removes what need not be kept, one small step after the other.

A pass is a generator: whoever pulls it decides how much of the machine it may have, and may stop after any step; the
next pass finds what is left. Nothing is remembered between passes but what the ledger says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

import structlog

from ingester.directory import DataDirectory
from ingester.domain.errors import TransientError
from ingester.retention.history import History
from ingester.retention.purge import Purge
from ingester.retention.removed import Removed
from ingester.retention.report import Reports
from ingester.retention.spool import SpoolFiles
from ingester.settings import RetentionSettings
from ingester.store.database import now
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.retention import Retention

log = structlog.get_logger()

_BETWEEN_PASSES = timedelta(hours=1)
#: How much of the time between two calls of `work` a pass may take.
_WORK_SECONDS = 0.2
_FORGOTTEN_AT_ONCE = 1000


class Keeper:
    """Removes what need not be kept. One process of a service has one."""

    def __init__(
        self,
        ledger: Ledger,
        directory: DataDirectory,
        settings: RetentionSettings,
        open_store: Callable[[], DataStore],
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._settings = settings
        self._retention = Retention(ledger, settings)
        self._open_store = open_store
        self._store: DataStore | None = None
        self._pass: Iterator[list[Removed]] | None = None
        self._next: datetime | None = None

    def work(self, at: datetime | None = None) -> None:
        """Go on with the pass at hand for a moment, or begin one if it is time; to be called every few seconds."""
        at = at or now()
        if self._pass is None:
            # A clock that was set back must not keep us waiting for what it was set back by.
            if self._next is not None and self._next - _BETWEEN_PASSES <= at < self._next:
                return
            self._pass, self._next = self.steps(at), at + _BETWEEN_PASSES
        until = time.monotonic() + _WORK_SECONDS
        try:
            for _ in self._pass:
                if time.monotonic() > until:
                    return
        except TransientError as error:
            log.warning("retention_waits", error=str(error))
        self._pass = None
        self.close()

    def close(self) -> None:
        """Let go of the data database."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def steps(self, at: datetime, *, tenant: str | None = None, dry_run: bool = False) -> Iterator[list[Removed]]:
        """One pass over everything, or over one tenant's; after each step what it removed, or would."""
        for each in self._all(at, tenant=tenant, dry_run=dry_run):
            for removed in each:
                if not dry_run:
                    log.info("removed", **asdict(removed))
            yield each

    def _all(self, at: datetime, *, tenant: str | None, dry_run: bool) -> Iterator[list[Removed]]:
        if not dry_run and tenant is None:
            yield from self._unfinished_purges()
        rows = [row for row in self._retention.tenants() if tenant in (None, row.name)]
        for row in rows:
            periods = self._retention.periods(row)
            reports = Reports(self._ledger, self._directory, row)
            yield from reports.archive(periods["archive"], at, dry_run=dry_run)
            yield from reports.outbox(periods["outbox"], at, dry_run=dry_run)
        spool = SpoolFiles(self._ledger, self._directory, only=tenant)
        yield from spool.quarantine(self._retention.periods, at, dry_run=dry_run)
        for row in rows:
            history = History(self._ledger, self._data, row)
            yield from history.forget(self._retention.periods(row)["history"], at, dry_run=dry_run)
        if tenant is None:
            yield from spool.leftovers(self._settings.spool_days, at, dry_run=dry_run)
            while not dry_run and self._retention.forget_removals(at, _FORGOTTEN_AT_ONCE) == _FORGOTTEN_AT_ONCE:
                yield []

    def _unfinished_purges(self) -> Iterator[list[Removed]]:
        """Finish purges that a crash interrupted."""
        for name in Purge.unfinished(self._ledger):
            purge = Purge(self._ledger, self._data, self._directory, name)
            for _ in purge.steps():
                yield []

    def _data(self) -> DataStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store
