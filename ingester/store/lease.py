"""Leases in the ledger: exactly one process at a time holds one, and another takes over when it stops renewing it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from ingester.store import database
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Lease

#: Without being renewed a lease lasts so long; a stand-by that looks every `RENEWAL_SECONDS` is active within both.
LEASE = timedelta(seconds=20)
RENEWAL_SECONDS = 5.0


class Leadership:
    """One process's claim to a lease called `name`. `holder` must be a name that no other process has."""

    def __init__(self, ledger: Ledger, name: str, holder: str) -> None:
        self._ledger = ledger
        self._name = name
        self._holder = holder
        self._until = 0.0

    @property
    def holds(self) -> bool:
        """Whether the lease is certain to be this process's now, by a clock that nobody sets."""
        return time.monotonic() < self._until

    def renew(self, at: datetime | None = None, *, alone: bool = False) -> bool:
        """Take or renew the lease; False if another holds it. `alone`: whoever held it before is known to be gone."""
        # Counted from before the question: what the answer says may be old when it comes.
        asked = time.monotonic()
        with self._ledger.writing() as session:
            moment = at or database.moment(session)
            lease = session.get(Lease, self._name)
            if lease is not None and lease.holder != self._holder and lease.until > moment and not alone:
                self._until = 0.0
                return False
            session.merge(Lease(name=self._name, holder=self._holder, until=moment + LEASE))
        self._until = asked + LEASE.total_seconds()
        return True

    def release(self) -> None:
        """Let somebody else have it at once."""
        self._until = 0.0
        with self._ledger.writing() as session:
            lease = session.get(Lease, self._name)
            if lease is not None and lease.holder == self._holder:
                session.delete(lease)
