"""The durable queue over the ledger's imports: claim, heartbeat, end, hold, retry, recover.

Order: imports of one (tenant, entity, source) run one at a time as they landed; a tenant's parents go before its
children, then what has priority. Tenants take turns by their weights (stride scheduling: Waldspurger and Weihl, 1995).
What is paused, not due yet or over a limit waits. Every method is one transaction.
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

from sqlalchemy import BindParameter, and_, bindparam, case, func, or_, update
from sqlmodel import Session, col, select

from ingester import consequence, fault
from ingester.domain.errors import UsageError
from ingester.domain.status import TRANSITIONS, Outcome, Status
from ingester.store import database, totals
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Attempt, Drop, Feed, Import, Tenant
from ingester.store.totals import Tally

#: A worker that has not renewed its lease for this long has lost it.
LEASE = timedelta(seconds=60)
HEARTBEAT_SECONDS = 10.0

_UNFINISHED = (Status.QUEUED, Status.PROCESSING, Status.NEEDS_ATTENTION)

#: Shows a customer what somebody decided.
Tell = Callable[[Import], None]


def _tell_nobody(job: Import) -> None:
    del job


@dataclass(frozen=True, slots=True)
class Claim:
    """An import that `job.worker`, and no other, may run until its lease ends."""

    job: Import
    drop: Drop


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
                if _next(session, given or database.moment(session), self._at_once) is None:
                    return None
        with self._ledger.writing() as session:
            at = given or database.moment(session)
            found = _next(session, at, self._at_once)
            self._found_nothing = found is None
            if found is None:
                return None
            turn, job = found
            job.status, job.worker, job.lease_until = Status.PROCESSING, worker, at + LEASE
            job.attempts += 1
            job.started_at = job.started_at or at
            session.add(job)
            session.add(Attempt(import_id=job.id, number=job.attempts, worker=worker, started_at=at))
            served = {"served_at": at, "turn": turn.value + 1 / turn.weight}
            session.exec(update(Tenant).where(col(Tenant.name) == turn.tenant).values(**served))
            drop = session.exec(select(Drop).where(Drop.id == job.drop_id)).one()
        fault.point("claim.committed")
        return Claim(job, drop)

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
        statement = select(Import).where(Import.status == Status.PROCESSING)
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


@dataclass(frozen=True, slots=True)
class _Turn:
    """A tenant that has something to do. Who has the lowest value is next."""

    tenant: str
    value: float
    weight: int


# Statements of a claim, built once: to build them takes longer than to run them.
_WAITING = (
    select(Import.tenant, func.min(Import.sequence).label("first"))
    .where(Import.status == Status.QUEUED, col(Import.due_at) <= bindparam("at"))
    .group_by(Import.tenant)
    .subquery()
)
_RUNNING = (
    select(Import.tenant, func.count().label("number"))
    .where(Import.status == Status.PROCESSING)
    .group_by(Import.tenant)
    .subquery()
)
_RUNNING_OF_ALL = select(func.count()).where(Import.status == Status.PROCESSING).scalar_subquery()
#: Whoever was idle goes on where the others are, rather than to make up for turns that it had no use for.
_REACHED = select(func.coalesce(func.max(Tenant.turn - 1.0 / Tenant.weight), 0.0)).scalar_subquery()
_VALUE = case((col(Tenant.turn) > _REACHED, col(Tenant.turn)), else_=_REACHED).label("value")
_IN_TURN = (
    select(Tenant.name, _VALUE, Tenant.weight)
    .join(_WAITING, _WAITING.c.tenant == col(Tenant.name))
    .outerjoin(_RUNNING, _RUNNING.c.tenant == col(Tenant.name))
    .where(
        col(Tenant.paused_at).is_(None),
        or_(col(Tenant.concurrency).is_(None), func.coalesce(_RUNNING.c.number, 0) < col(Tenant.concurrency)),
        _RUNNING_OF_ALL < bindparam("at_once"),
    )
    .order_by(_VALUE, col(Tenant.served_at).nulls_first(), _WAITING.c.first)
    .limit(bindparam("size"))
    .offset(bindparam("before"))
)
_TENANTS: BindParameter[str] = bindparam("tenants", expanding=True)
_HEADS = (
    select(Import, Feed.paused_at)
    .outerjoin(Feed, and_(col(Feed.tenant) == Import.tenant, col(Feed.name) == Import.feed))
    .where(
        col(Import.sequence).in_(
            # One that runs, else the first: what is retried landed before others of its line, one of which may run.
            select(
                func.coalesce(
                    func.min(case((col(Import.status) == Status.PROCESSING, col(Import.sequence)))),
                    func.min(Import.sequence),
                )
            )
            .where(col(Import.tenant).in_(_TENANTS), col(Import.status).in_(_UNFINISHED))
            .group_by(col(Import.tenant), col(Import.catalogue), col(Import.entity), col(Import.source))
        )
    )
)
#: How many tenants are looked at together: one, as the first is nearly always served, then more and more.
_FIRST_GROUP, _LARGEST_GROUP = 1, 256
_ANY_NUMBER = 1 << 30


def _next(session: Session, at: datetime, at_once: int | None) -> tuple[_Turn, Import] | None:
    """Who is served next, and the import of theirs that nothing keeps waiting; None if there is none."""
    size, before = _FIRST_GROUP, 0
    at_once = _ANY_NUMBER if at_once is None else at_once
    while True:
        asked = {"at": at, "at_once": at_once, "size": size, "before": before}
        turns = [_Turn(*found) for found in session.exec(_IN_TURN, params=asked)]
        if not turns:
            return None
        lines: dict[str, list[tuple[Import, bool]]] = {}
        for job, paused_at in session.exec(_HEADS, params={"tenants": [turn.tenant for turn in turns]}):
            lines.setdefault(job.tenant, []).append((job, paused_at is not None))
        for turn in turns:
            # Those of a tenant may have ended between the two questions.
            first = _next_of(lines.get(turn.tenant, ()), at)
            if first is not None:
                return turn, first
        before += size
        size = min(size * 16, _LARGEST_GROUP)


def _next_of(lines: Sequence[tuple[Import, bool]], at: datetime) -> Import | None:
    """A tenant's first import that neither its own line, a parent, nor its feed keeps waiting.

    `lines` are what its lines wait for, each with whether its feed is paused.
    """
    busy = {f"{job.catalogue}.{job.entity}" for job, _ in lines if _keeps_children_waiting(job, at)}
    for job, is_paused in sorted(lines, key=lambda line: (-line[0].priority, line[0].rank, line[0].sequence)):
        may_start = job.status is Status.QUEUED and job.due_at <= at and not is_paused
        if may_start and not busy.intersection(job.ancestors):
            return job
    return None


def _keeps_children_waiting(job: Import, at: datetime) -> bool:
    """A parent that runs, that is due, or that is to be tried again; not one whose window is yet to open."""
    return job.status is Status.PROCESSING or (job.status is Status.QUEUED and (job.due_at <= at or job.attempts > 0))


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
