"""Brings what waits in the outbox to its targets, at least once, from a thread of the process that keeps the clocks.

Each notification is claimed in the ledger before it is sent, by moving its next attempt beyond the time that sending
may take: a crash in between costs a delay and perhaps a repetition, which its id tells, never the message.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Update, delete, func, update
from sqlmodel import Session, col, select

from ingester.domain.errors import IngesterError, PermanentError, TransientError
from ingester.notify import digest
from ingester.notify.notification import State
from ingester.notify.send import Sender
from ingester.notify.target import disable
from ingester.settings import NotifySettings
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Notification, NotifyTarget

log = structlog.get_logger()

_POLL_SECONDS = 1.0
_PURGE_SECONDS = 3600.0
#: Longer than any message takes to send.
_CLAIM = timedelta(minutes=5)
_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(hours=1)
_AT_ONCE = 4
_TARGETS_AT_ONCE = 32
_KEPT = timedelta(days=7)
_KEPT_GIVEN_UP = timedelta(days=30)
_MOST_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class _Claim:
    notification: Notification
    target: NotifyTarget


class Delivery:
    """Delivers from its own thread between `start` and `stop`. Two of them at once share the work."""

    def __init__(self, ledger: Ledger, sender: Sender, settings: NotifySettings) -> None:
        self._ledger = ledger
        self._sender = sender
        self._settings = settings
        self._give_up = timedelta(hours=settings.give_up_hours)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; messages that are being sent are finished."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        tidied = -_PURGE_SECONDS
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                self.deliver(now())
                if time.monotonic() - tidied > _PURGE_SECONDS:
                    tidied = time.monotonic()
                    self.purge(now())
            except TransientError as error:
                log.warning("notify_waits", error=str(error))
            except Exception:
                # Nobody would be told anything any more.
                log.exception("notify_stumbled")

    def deliver(self, at: datetime) -> int:
        """Try everything that is due, once; how many messages were sent."""
        claims = self._claim(at)
        if not claims:
            return 0
        by_target: dict[int | None, list[_Claim]] = {}
        for claim in claims:
            by_target.setdefault(claim.target.id, []).append(claim)
        # A target's messages go one after another; one that does not answer holds up nobody else's.
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notify") as pool:
            return sum(pool.map(lambda mine: sum(self._try(claim, at) for claim in mine), by_target.values()))

    def purge(self, at: datetime) -> None:
        """Forget what was delivered or given up a while ago."""
        told = (State.SENT, State.FOLDED)
        with self._ledger.writing() as session:
            ended = delete(Notification).where(col(Notification.ended_at) < at - _KEPT)
            session.exec(ended.where(col(Notification.state).in_(told)))
            lost = delete(Notification).where(col(Notification.ended_at) < at - _KEPT_GIVEN_UP)
            session.exec(lost.where(col(Notification.state) == State.GIVEN_UP))
            newest = (
                select(Notification.ended_at)
                .where(Notification.state != State.WAITING)
                .order_by(col(Notification.ended_at).desc())
                .offset(_MOST_KEPT)
                .limit(1)
            )
            if (bound := session.exec(newest).first()) is not None:
                too_many = delete(Notification).where(col(Notification.ended_at) <= bound)
                session.exec(too_many.where(col(Notification.state) != State.WAITING))

    def _claim(self, at: datetime) -> list[_Claim]:
        due = (Notification.state == State.WAITING, col(Notification.due_at) <= at)
        waiting = select(Notification.target_id).where(*due).group_by(col(Notification.target_id))
        order = func.min(col(Notification.due_at))
        with self._ledger.reading() as session:
            if session.exec(waiting.limit(1)).first() is None:
                return []
        claims: list[_Claim] = []
        with self._ledger.writing() as session:
            for target_id in session.exec(waiting.order_by(order)).all():
                if len({claim.target.id for claim in claims}) == _TARGETS_AT_ONCE:
                    break
                target = session.get(NotifyTarget, target_id)
                assert target is not None
                for notification in self._next_for(session, target_id, at):
                    notification.attempts += 1
                    notification.attempted_at, notification.due_at = at, at + _CLAIM
                    session.add(notification)
                    claims.append(_Claim(notification, target))
        return claims

    def _next_for(self, session: Session, target_id: int, at: datetime) -> Sequence[Notification]:
        room = digest.room(session, target_id, self._settings.per_minute, at)
        if not room:
            return ()
        statement = (
            select(Notification)
            .where(
                Notification.target_id == target_id,
                Notification.state == State.WAITING,
                col(Notification.due_at) <= at,
            )
            .order_by(col(Notification.created_at), col(Notification.id))
        )
        found = session.exec(statement.limit(room + 1)).all()
        if len(found) <= room:
            return found
        digest.fold(session, target_id, at)
        return session.exec(statement.limit(room)).all()

    def _try(self, claim: _Claim, at: datetime) -> int:
        notification, target = claim.notification, claim.target
        about = {"tenant": notification.tenant, "target": target.name, "told_of": notification.event}
        try:
            self._sender.send(target, notification, at)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the others are still to be told
            self._failed(claim, error, at)
            log.warning("notification_failed", attempt=notification.attempts, error=_said(error), **about)
            return 0
        self._ended(notification, State.SENT, at)
        log.info("notification_sent", id=notification.id, **about)
        return 1

    def _failed(self, claim: _Claim, error: Exception, at: datetime) -> None:
        from ingester.notify.webhook import Gone, Refused

        notification, target = claim.notification, claim.target
        if isinstance(error, Gone):
            assert target.id is not None
            with self._ledger.writing() as session:
                disable(session, target.id, error.message)
            return
        wanted = timedelta(seconds=error.after) if isinstance(error, Refused) and error.after else timedelta()
        due_at = at + min(max(backoff(notification.attempts), wanted), _LONGEST_RETRY)
        if isinstance(error, PermanentError) or due_at > notification.created_at + self._give_up:
            self._ended(notification, State.GIVEN_UP, at, _said(error))
            return
        with self._ledger.writing() as session:
            session.exec(_of(notification).values(due_at=due_at, error=_said(error)))

    def _ended(self, notification: Notification, state: State, at: datetime, error: str | None = None) -> None:
        with self._ledger.writing() as session:
            session.exec(_of(notification).values(state=state, ended_at=at, error=error))


def backoff(attempts: int) -> timedelta:
    """How long to wait after so many attempts: doubled each time, up to an hour, a fifth more or less by chance."""
    after = min(_FIRST_RETRY * (1 << min(attempts - 1, 16)), _LONGEST_RETRY)
    return after * random.uniform(0.8, 1.2)  # noqa: S311 -- only so that not all come back at once


def _of(notification: Notification) -> Update:
    return update(Notification).where(col(Notification.id) == notification.id, col(Notification.state) == State.WAITING)


def _said(error: Exception) -> str:
    """What may be shown and logged: our own words, or only the kind of an error."""
    return str(error) if isinstance(error, IngesterError) else type(error).__name__
