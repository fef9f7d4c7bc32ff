"""Objects that S3 inboxes have seen: which are known, and what is still to be done about them.

An object is noted before it is fetched. It has landed when a drop bears its reference, so that no crash comes between
the two; whatever is left to do for it, in the bucket and in the outbox there, is found here after a restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, or_, update
from sqlmodel import col, select

from ingester.domain.status import Status
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import, S3Inbox, S3Object

_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(hours=1)
#: An object that was noted but neither landed nor tried again for so long is no longer in its bucket.
_FORGOTTEN_AFTER = timedelta(days=1)
_ENDED = tuple(status for status in Status if status.ended)
#: An object with its drop and that one's import.
_LANDED = (col(Drop.origin_ref) == col(S3Object.ref), col(Import.drop_id) == col(Drop.id))
_UNFINISHED = tuple(status for status in Status if not status.ended)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far an object is that was seen before."""

    #: It has a drop, or nothing is to be done with it for another reason.
    known: bool
    inbox_id: int
    #: How often it could not be landed, and when that is to be tried again.
    tries: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Landed:
    """An object with what became of it."""

    object: S3Object
    drop: Drop
    job: Import


class S3Objects:
    """What the ledger knows of objects. A set of them is one question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # --- before landing ------------------------------------------------------------------------------------------

    def standing(self, refs: Collection[str]) -> Mapping[str, Standing]:
        """Those of `refs`, a page of at most 1,000, that were seen before."""
        statement = (
            select(S3Object, Drop.id)
            .join(Drop, col(Drop.origin_ref) == col(S3Object.ref), isouter=True)
            .where(col(S3Object.ref).in_(refs))
        )
        with self._ledger.reading() as session:
            return {
                each.ref: Standing(
                    known=each.settled_at is not None or drop_id is not None,
                    inbox_id=each.inbox_id,
                    tries=each.tries,
                    due_at=each.due_at,
                )
                for each, drop_id in session.exec(statement)
            }

    def tagged(self, inbox: S3Inbox, keys: Collection[str]) -> set[tuple[str, str]]:
        """(key, etag) of the objects among `keys` that the inbox is done with."""
        statement = select(S3Object.key, S3Object.etag).where(
            S3Object.inbox_id == inbox.id, col(S3Object.key).in_(keys), col(S3Object.settled_at).is_not(None)
        )
        with self._ledger.reading() as session:
            return set(session.exec(statement))

    def note(self, objects: Sequence[S3Object]) -> None:
        """Remember objects that are about to be fetched, or with which nothing is to be done."""
        with self._ledger.writing() as session:
            session.add_all(objects)

    def adopt(self, inbox: S3Inbox, refs: Collection[str]) -> None:
        """Go on, for an inbox, with objects that came through one that was removed."""
        with self._ledger.writing() as session:
            session.exec(update(S3Object).where(col(S3Object.ref).in_(refs)).values(inbox_id=inbox.id))

    def forget(self, ref: str) -> None:
        """Drop the note about an object that is not there any more, unless it has landed."""
        with self._ledger.writing() as session:
            session.exec(delete(S3Object).where(col(S3Object.ref) == ref, ~_has_drop()))

    def forget_gone(self, inbox: S3Inbox) -> None:
        """Drop the notes about objects that never landed and were not in the bucket lately."""
        gone = (
            S3Object.inbox_id == inbox.id,
            col(S3Object.settled_at).is_(None),
            col(S3Object.due_at) < now() - _FORGOTTEN_AFTER,
            ~_has_drop(),
        )
        with self._ledger.reading() as session:
            refs = session.exec(select(S3Object.ref).where(*gone).limit(1000)).all()
        if refs:
            with self._ledger.writing() as session:
                session.exec(delete(S3Object).where(col(S3Object.ref).in_(refs), ~_has_drop()))

    def keep_versions(self, versions: Mapping[str, str]) -> None:
        """Remember which version of its key each object is."""
        with self._ledger.writing() as session:
            for ref, version in versions.items():
                session.exec(update(S3Object).where(col(S3Object.ref) == ref).values(version_id=version))

    # --- after the import ----------------------------------------------------------------------------------------

    def waiting(self) -> tuple[set[int], set[int]]:
        """The inboxes that have an object to settle now, and those that have something to write back."""
        with self._ledger.reading() as session:
            settling = select(S3Object.inbox_id).where(*_LANDED, *_to_settle(now())).distinct()
            telling = select(S3Object.inbox_id).where(*_LANDED, *_to_tell()).distinct()
            return set(session.exec(settling)), set(session.exec(telling))

    def to_settle(self, inbox: S3Inbox, limit: int) -> Sequence[Landed]:
        """Objects whose import has ended and that are due, longest due first."""
        found = select(S3Object, Drop, Import).where(*_LANDED, S3Object.inbox_id == inbox.id, *_to_settle(now()))
        with self._ledger.reading() as session:
            return [Landed(*row) for row in session.exec(found.order_by(col(S3Object.due_at)).limit(limit))]

    def settled(self, refs: Iterable[str]) -> None:
        """Remember that nothing is left to do with objects."""
        self._change(refs, settled_at=now(), tries=0)

    def later(self, ref: str, tries: int) -> timedelta:
        """Try an object again after a time that doubles with each failure; `tries` is how often it failed before."""
        delay = min(_FIRST_RETRY * (1 << min(tries, 20)), _LONGEST_RETRY)
        self._change([ref], tries=S3Object.tries + 1, due_at=now() + delay)
        return delay

    def to_tell(self, inbox: S3Inbox, limit: int) -> Sequence[Landed]:
        """Objects about which the bucket's outbox does not say what the ledger does, in landing order."""
        found = select(S3Object, Drop, Import).where(*_LANDED, S3Object.inbox_id == inbox.id, *_to_tell())
        with self._ledger.reading() as session:
            return [Landed(*row) for row in session.exec(found.order_by(col(Import.sequence)).limit(limit))]

    def told(self, ref: str, status: Status) -> None:
        """Remember which status the bucket's outbox shows."""
        self._change([ref], told=status.value, reported_at=now() if status.ended else None)

    def reopen(self) -> None:
        """Tell again about imports that run again after their end was told."""
        again = select(S3Object.ref).where(
            *_LANDED,
            col(Import.status).in_(_UNFINISHED),
            col(S3Object.reported_at).is_not(None),
            col(S3Object.told).is_not(None),
        )
        with self._ledger.reading() as session:
            refs = session.exec(again).all()
        if refs:
            self._change(refs, told=None, reported_at=None)

    def _change(self, refs: Iterable[str], **values: object) -> None:
        with self._ledger.writing() as session:
            session.exec(update(S3Object).where(col(S3Object.ref).in_(list(refs))).values(**values))


def _to_settle(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return col(S3Object.settled_at).is_(None), col(S3Object.due_at) <= at, col(Import.status).in_(_ENDED)


def _to_tell() -> tuple[ColumnElement[bool], ...]:
    differs = or_(col(S3Object.told).is_(None), col(S3Object.told) != col(Import.status))
    return col(S3Object.reported_at).is_(None), differs


def _has_drop() -> ColumnElement[bool]:
    return exists().where(col(Drop.origin_ref) == col(S3Object.ref))
