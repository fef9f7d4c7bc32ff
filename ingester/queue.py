"""The durable queue over the ledger's imports: claim, heartbeat, end, hold, retry, recover.

Every method is one transaction. Which import is next is `turn.py`'s to say.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, update
from sqlmodel import Session, col, select

from ingester import consequence, fault, turn
from ingester.domain.errors import UsageError
from ingester.domain.status import TRANSITIONS, Outcome, Status
from ingester.store import database, totals
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Attempt, Drop, Import, Tenant
from ingester.store.totals import Tally

#: A worker that has not renewed its lease for this long has lost it.
LEASE = timedelta(seconds=60)
HEARTBEAT_SECONDS = 10.0

#: Shows a customer what somebody decided.
Tell = Callable[[Import], None]


def _tell_nobody(job: Import) -> None:
    del job


@dataclass(frozen=True, slots=True)
class Claim:
    """An import that `job.worker`, and no other, may run until its lease ends."""

    job: Import
    drop: Drop
    #: The tenant's.
    timezone: str


#: Built once: to build it takes longer than to run it.
_DROP = select(Drop).where(Drop.id == bindparam("id"))


class Queue:
    """Who works on what."""

    def __init__(self, ledger: Ledger, at_once: int | None = None) -> None:
        self._ledger = ledger
        #: How many imports may run at one time, of all tenants and on all machines; None: as many as there are workers.
        self._at_once = at_once
        self._found_nothing = False

    def claim(self, worker: str, at: datetime | None = None) -> Claim | None:
        """Take the next import that may start now (or at the moment `at`), or None if none may."""
        given = at
        if self._found_nothing:
            # Whatever keeps all that waits from starting, nobody else has to wait while it is looked at again.
            with self._ledger.reading() as session:
                if not turn.is_anybodys(session, given or database.moment(session), self._at_once):
                    return None
        with self._ledger.writing() as session:
            at = given or database.moment(session)
            found = turn.next_(session, at, self._at_once)
            self._found_nothing = found is None
            if found is None:
                return None
            served, job = found
            job.status, job.worker, job.lease_until = Status.PROCESSING, worker, at + LEASE
            job.attempts += 1
            job.started_at = job.started_at or at
            session.add(job)
            session.add(Attempt(import_id=job.id, number=job.attempts, worker=worker, started_at=at))
            taken = {"served_at": at, "turn": served.value + 1 / served.weight}
            session.exec(update(Tenant).where(col(Tenant.name) == served.tenant).values(**taken))
            drop = session.exec(_DROP, params={"id": job.drop_id}).one()
        fault.point("claim.committed")
        return Claim(job, drop, served.timezone)

    def heartbeat(self, job: Import) -> bool:
        """Renew the lease of an import as it was claimed; False if the claim is lost."""
        statement = update(Import).where(col(Import.id) == job.id, col(Import.worker) == job.worker)
        with self._ledger.noting() as session:
            return bool(session.exec(statement.values(lease_until=database.moment(session) + LEASE)).rowcount)

    def holds(self, job: Import) -> bool:
        """Whether an import is still this attempt's; asked without waiting for anybody."""
        with self._ledger.reading() as session:
            return session.exec(select(Import.id).where(*_as_claimed(job))).first() is not None

    def tell(self, job: Import, status: Status, tell: Tell) -> bool:
        """Show something of an import, only if it has that status and attempt; it keeps both meanwhile."""
        with self._ledger.noting() as session:
            found = session.exec(select(Import).where(Import.id == job.id)).one_or_none()
            if found is None or found.status is not status or found.attempts != job.attempts:
                return False
            tell(found)
            return True

    def complete(
        self,
        job: Import,
        outcome: Outcome,
        *,
        location: str,
        stats: dict[str, int | None] | None = None,
        phase_seconds: Mapping[str, float] | None = None,
    ) -> None:
        """Record that the import's outcome is committed and published, and where its original went.

        Whoever reports it first is believed; a second report changes nothing.
        """
        counted = totals.of_rows(job, stats) + totals.of_phases(phase_seconds)
        with self._ledger.noting() as session:
            session.exec(update(Drop).where(col(Drop.id) == job.drop_id).values(location=location))
            said: dict[str, Any] = {"outcome": outcome, "stats": stats, "reason": None, "message": None}
            _end(session, job, Status.COMPLETED, "completed", counted=counted, **said)

    def fail(
        self,
        job: Import,
        *,
        reason: str,
        message: str,
        location: str,
        error: str | None = None,
        status: Status = Status.FAILED,
    ) -> bool:
        """End an import that changed no row, as failed or timed out; its bytes are kept at `location`.

        False if the claim is lost.
        """
        with self._ledger.writing() as session:
            had_a_say = _end(session, job, status, status.value, error=error, reason=reason, message=message)
            if had_a_say:
                session.exec(update(Drop).where(col(Drop.id) == job.drop_id).values(location=location))
            return had_a_say

    def hold(self, job: Import, *, reason: str, message: str) -> bool:
        """Put an import before somebody who decides; those behind it wait. False if the claim is lost."""
        with self._ledger.writing() as session:
            return _end(session, job, Status.NEEDS_ATTENTION, "held", reason=reason, message=message)

    def overran(self, job: Import) -> None:
        """Note that an attempt took longer than it may, just before its worker ends for that reason."""
        attempt = (col(Attempt.import_id) == job.id, col(Attempt.number) == job.attempts)
        with self._ledger.writing() as session:
            session.exec(update(Attempt).where(*attempt).values(overran_at=now()))

    def retry_later(self, job: Import, *, after: timedelta, error: str) -> bool:
        """Queue an import again after an attempt that failed for a passing reason. False if the claim is lost."""
        with self._ledger.writing() as session:
            return _end(session, job, Status.QUEUED, "retried", error=error, due_at=now() + after)

    def recover(self, *, process: int | None = None, everything: bool = False, stopped: bool = False) -> Sequence[str]:
        """Queue again what dead workers left: those with an expired lease, of one process here, or simply all.

        `stopped` says that they were made to end: it was not the import that killed them.

        Returns the ids of the imports. Whether such an import was already applied is for the next worker to see.
        """
        statement = select(Import).where(turn.IS_RUNNING)
        if process is not None:
            statement = statement.where(col(Import.worker).startswith(f"{_worker_of(process)}-", autoescape=True))
        with self._ledger.writing() as session:
            if process is None and not everything:
                statement = statement.where(col(Import.lease_until) < database.moment(session))
            lost = session.exec(statement).all()
            for job in lost:
                _end(session, job, Status.QUEUED, "interrupted" if everything or stopped else "lost")
            return [job.id for job in lost]

    def approve(self, job: Import, tell: Tell = _tell_nobody) -> None:
        """Let a held import run again, past the reason it was held for."""
        approved = sorted({*job.approved, job.reason or ""})
        afresh = {"approved": approved, "reason": None, "message": None, "due_at": now()}
        self._decide(job, (Status.NEEDS_ATTENTION,), tell, status=Status.QUEUED, **afresh)

    def cancel(
        self,
        job: Import,
        message: str,
        tell: Tell = _tell_nobody,
        at: datetime | None = None,
        reason: str = "canceled",
    ) -> None:
        """End an import that waits, or reject a held one."""
        ended = {"reason": reason, "message": message, "completed_at": at or now()}
        self._decide(job, (Status.QUEUED, Status.NEEDS_ATTENTION), tell, status=Status.CANCELED, **ended)

    def start(self, job: Import) -> None:
        """Let an import that waits for its time start now."""
        unclaimed = (col(Import.id) == job.id, col(Import.status) == Status.QUEUED)
        with self._ledger.writing() as session:
            at = database.moment(session)
            if not session.exec(update(Import).where(*unclaimed).values(due_at=at, settle_seconds=0)).rowcount:
                raise UsageError(f"import {job.short_id} is {job.status}", fix="It must be queued for that.")

    def retry(self, job: Import, tell: Tell = _tell_nobody) -> None:
        """Queue a failed import again; it gets as many attempts as it had."""
        afresh = {"reason": None, "message": None, "due_at": now(), "completed_at": None}
        self._decide(job, (Status.FAILED, Status.TIMED_OUT), tell, status=Status.QUEUED, **afresh)

    def _decide(self, job: Import, allowed: Sequence[Status], tell: Tell, **values: Any) -> None:
        """Change an import that has one of the `allowed` states, only if nothing else has changed it meanwhile.

        `tell` gets the import as it will be. Before the commit, if it goes on: no worker can be faster than that. After
        it, if it ends: a customer must not hear of what a lost commit undoes, and no worker says anything about it.
        """
        assert all(values["status"] in TRANSITIONS[before] for before in allowed)
        if job.status not in allowed:
            raise UsageError(
                f"import {job.short_id} is {job.status}", fix=f"It must be {' or '.join(allowed)} for that."
            )
        unchanged = (col(Import.id) == job.id, col(Import.status) == job.status, col(Import.attempts) == job.attempts)
        with self._ledger.writing() as session:
            if not session.exec(update(Import).where(*unchanged).values(**values)).rowcount:
                raise UsageError(f"import {job.short_id} is no longer {job.status}", fix="Look again and decide anew.")
            totals.add(session, totals.of_end(job.tenant, values["status"]))
            decided = session.exec(select(Import).where(Import.id == job.id)).one()
            if not decided.status.ended:
                tell(decided)
        if decided.status.ended:
            tell(decided)

    def became_due(self, since: datetime, until: datetime) -> bool:
        """Whether an import that waits came to its time after `since`, and by `until`."""
        statement = (
            select(Import.id)
            .where(Import.status == Status.QUEUED, col(Import.due_at) > since, col(Import.due_at) <= until)
            .limit(1)
        )
        with self._ledger.reading() as session:
            return session.exec(statement).first() is not None

    def is_pressing(self) -> bool:
        """Whether something waits that may start now, or is kept waiting by something else than the clock."""
        due = self.next_due()
        return due is not None and due <= now()

    def next_due(self) -> datetime | None:
        """When the earliest queued import may be claimed; None when nothing is queued."""
        with self._ledger.reading() as session:
            return session.exec(select(func.min(Import.due_at)).where(Import.status == Status.QUEUED)).one()


def _as_claimed(job: Import) -> tuple[bool, ...]:
    return (
        Import.id == job.id,
        Import.status == Status.PROCESSING,
        Import.worker == job.worker,
        Import.attempts == job.attempts,
    )


def worker_name() -> str:
    """A name for this process's worker that no other process, past or present, has."""
    return f"{_worker_of(os.getpid())}-{secrets.token_hex(4)}"


def _worker_of(process: int) -> str:
    return f"{socket.gethostname()}-{process}"


def _end(
    session: Session,
    job: Import,
    status: Status,
    result: str,
    *,
    error: str | None = None,
    counted: Tally | None = None,
    **values: Any,
) -> bool:
    """End the current attempt, and with it the claim; False if the import is no longer this attempt's to change.

    `counted` goes into the totals beside the end itself.
    """
    assert status in TRANSITIONS[Status.PROCESSING], status
    at = now()
    if status.ended:
        values["completed_at"] = at
    statement = update(Import).where(col(Import.id) == job.id)
    attempt = update(Attempt).where(col(Attempt.import_id) == job.id, col(Attempt.number) == job.attempts)
    if status is Status.COMPLETED:
        # A committed outcome is true whoever reports it, once.
        statement = statement.where(col(Import.status) != Status.COMPLETED)
    else:
        # A worker that lost its claim no longer has a say.
        statement = statement.where(col(Import.worker) == job.worker)
        attempt = attempt.where(col(Attempt.ended_at).is_(None))
    changed = session.exec(statement.values(status=status, worker=None, lease_until=None, **values)).rowcount
    session.exec(attempt.values(ended_at=at, result=result, error=error))
    if changed:
        ended = totals.of_end(job.tenant, status, values.get("outcome")) + totals.of_attempt(result)
        totals.add(session, ended + (counted or Counter()))
    if changed and status is not Status.QUEUED:
        consequence.follow(session, job.id)
    return bool(changed)
