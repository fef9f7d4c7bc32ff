"""One feed's due moments, judged in order by when its drops landed.

A drop counts from the moment it landed, unless its import failed or was canceled, or is a dry run. While it is under
way it is given the benefit of the doubt: nobody is alerted, but no alert is resolved either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from ingester import alert
from ingester.domain.alert import AlertKind
from ingester.domain.status import Status
from ingester.expectation.timetable import Timetable, timetable
from ingester.expectation.words import Expects, duration
from ingester.store.ledger_tables import Alert, Drop, Expectation, Import

_DONE = (Status.COMPLETED, Status.NEEDS_ATTENTION)
_UNDER_WAY = (Status.REQUESTED, Status.QUEUED, Status.PROCESSING)
#: Due moments judged after a time in which nobody looked; older ones pass.
_LOOKED_BACK = 10
#: The alerts about when a drop came, not about what was in it.
OF_TIME = (AlertKind.LATE, AlertKind.MISSING)


@dataclass(frozen=True, slots=True)
class Watched:
    """One feed that expects something, and how far its due moments are judged."""

    tenant: str
    feed: str
    expects: Expects
    #: Its timetable, as one text.
    made_by: str
    state: Expectation | None

    @property
    def table(self) -> Timetable:
        """When its drops are due."""
        return timetable(self.made_by)


class Judge:
    """Walks over the due moments that nobody has judged yet, in order, in one transaction."""

    def __init__(
        self, session: Session, watched: Watched, state: Expectation, at: datetime, *, only_looks: bool = False
    ) -> None:
        self._session = session
        self._watched = watched
        self._state = state
        self._at = at
        self._only_looks = only_looks
        self._grace = duration(watched.expects.grace)

    def judge(self) -> bool:
        """Whether anything changed, or would."""
        changed = False
        for due in self._pending():
            following = self._watched.table.next(due)
            verdict = self._judge_one(due, following)
            if verdict is None:
                break
            changed = changed or verdict
            if not self._settled(due):
                break
        return changed

    def _pending(self) -> Sequence[datetime]:
        pending: deque[datetime] = deque(maxlen=_LOOKED_BACK)
        for due in self._watched.table.after(self._state.settled_at):
            if due > self._at:
                break
            pending.append(due)
        return tuple(pending)

    def _settled(self, due: datetime) -> bool:
        return self._state.settled_at >= due

    def _judge_one(self, due: datetime, following: datetime | None) -> bool | None:
        """True if this due moment's standing changed, False if it stays late, None if nothing can be said yet."""
        before, closing = self._state.settled_at, min(self._at, following or self._at)
        window = self._watched.expects.window
        opening = before if window is None else max(before, due - duration(window))
        in_time = self._arrivals(opening, min(self._at, due + self._grace))
        found = _last(in_time, due) or _first(self._arrivals(due + self._grace, closing))
        over = following is not None and following <= self._at and due + self._grace <= self._at
        if found is not None and (found.done or over):
            self._settle(due, found, following)
            return True
        if found is not None or self._at <= due + self._grace:
            return None
        if over:
            self._missing(due)
            return True
        return self._late(due)

    def _arrivals(self, after: datetime, until: datetime) -> list[_Arrival]:
        """Drops that landed in this time and count, in order; the one that met the due moment before does not."""
        statement = (
            select(Import.sequence, Import.short_id, Import.status, Drop.landed_at)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(
                Import.tenant == self._watched.tenant,
                Import.feed == self._watched.feed,
                col(Import.sequence) > self._state.taken,
                col(Import.dry_run).is_(False),
                col(Import.status).in_((*_DONE, *_UNDER_WAY)),
                col(Drop.landed_at) > after,
                col(Drop.landed_at) <= until,
            )
            .order_by(col(Import.sequence))
        )
        return [
            _Arrival(sequence or 0, short_id, landed_at, status in _DONE)
            for sequence, short_id, status, landed_at in self._session.exec(statement)
        ]

    def _settle(self, due: datetime, found: _Arrival, following: datetime | None) -> None:
        """A drop met the due moment, in time or late; it also ends whatever was missing before."""
        self._state.settled_at, self._state.taken = due, found.sequence
        # One that came late, but nearer to the next due moment, is that one's too: a day was left out, not late.
        window = self._watched.expects.window
        if following is not None and found.landed_at > due + self._grace:
            opens = following - duration(window) if window else due + (following - due) / 2
            if found.landed_at > opens:
                self._state.taken -= 1
        self._resolve(f"import {found.short_id}")

    def _resolve(self, by: str) -> None:
        if not self._only_looks:
            for kind in OF_TIME:
                self._end(kind, by)
            self._session.add(self._state)

    def _missing(self, due: datetime) -> None:
        self._state.settled_at = due
        if self._only_looks:
            return
        self._end(AlertKind.LATE, "missing", _subject(due))
        said = f"No file of the feed '{self._watched.feed}' came by {self._watched.table.local(due)}, nor later"
        self._raise(AlertKind.MISSING, due, said)
        self._session.add(self._state)

    def _late(self, due: datetime) -> bool:
        if self._only_looks:
            known = select(Alert.id).where(
                Alert.tenant == self._watched.tenant,
                Alert.feed == self._watched.feed,
                Alert.kind == AlertKind.LATE,
                Alert.subject == _subject(due),
            )
            return self._session.exec(known).first() is None
        said = f"No file of the feed '{self._watched.feed}' came by {self._watched.table.local(due)}"
        return self._raise(AlertKind.LATE, due, said)

    def _raise(self, kind: AlertKind, due: datetime, said: str) -> bool:
        return alert.raise_alert(
            self._session,
            tenant=self._watched.tenant,
            feed=self._watched.feed,
            kind=kind,
            subject=_subject(due),
            message=said,
            due_at=due,
            at=self._at,
        )

    def _end(self, kind: AlertKind, by: str, subject: str | None = None) -> None:
        """Nobody is told that a drop is no longer late which is now missing."""
        alert.resolve(
            self._session,
            tenant=self._watched.tenant,
            feed=self._watched.feed,
            kind=kind,
            subject=subject,
            by=by,
            at=self._at,
            quietly=subject is not None,
        )


@dataclass(frozen=True, slots=True)
class _Arrival:
    sequence: int
    short_id: str
    landed_at: datetime
    #: Whether its import is completed, or waits for a decision about a file that is there.
    done: bool


def _subject(due: datetime) -> str:
    return due.isoformat(timespec="minutes")


def _last(in_time: Sequence[_Arrival], due: datetime) -> _Arrival | None:
    """Of the drops that came in time the one that meets the due moment: those before it belong to it as well."""
    best = [each for each in in_time if each.landed_at <= due]
    done = [each for each in best if each.done]
    return done[-1] if done else best[-1] if best else _first(in_time)


def _first(arrivals: Sequence[_Arrival]) -> _Arrival | None:
    """The first that is done, else the first that is under way."""
    return next((each for each in arrivals if each.done), arrivals[0] if arrivals else None)
