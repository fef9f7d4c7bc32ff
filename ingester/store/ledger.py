"""The ledger: one object that opens its database and answers for drops and imports.

Methods are short transactions and block; an event loop calls them in a thread. Returned rows are detached copies.
Claims live in `ingester.queue`, tenants in `ingester.store.tenant`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Engine, and_, insert, or_, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from ingester.domain.companion import fold, stem
from ingester.domain.errors import IngesterError, UsageError
from ingester.domain.status import HoldHandling, Outcome, Status
from ingester.store import database, migrate, pairing, totals
from ingester.store.ledger_tables import ROUTED, Attempt, Companion, Drop, Import, S3Object, Site

#: What a route decides about an import.
_ROUTE = {
    *ROUTED,
    *("opens", "status", "reason", "message", "completed_at"),
    *("due_at", "awaits", "starts_at", "accompanied"),
}
_IDS_PER_QUESTION = 500
#: A batch that never comes to rest starts after so many times the rest that it wants.
_LONGEST_SETTLING = 20

#: What is done in the transaction that ends an import.
Follow = Callable[[Session, str], None]


class ShortIdTaken(IngesterError):
    """The tenant has had an import of that short id before; another one is to be drawn."""


class Ledger:
    """Drops, imports and who owns them, in `ledger.db` (or the service's PostgreSQL database)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Open the ledger at `url`, creating or upgrading its tables."""
        return cls(migrate.opened(url, "ledger"))

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with database.translated(), Session(database.reading(self.engine), expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits when the block ends well; durable when it returns."""
        with self._committing(database.writing(self.engine)) as session:
            yield session

    @contextmanager
    def noting(self) -> Iterator[Session]:
        """As `writing`, for what start-up after a power cut would find out again."""
        with self._committing(database.noting(self.engine)) as session:
            yield session

    @contextmanager
    def _committing(self, engine: Engine) -> Iterator[Session]:
        with database.translated(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def claim_site(self, directory_id: str) -> str:
        """The id of the data directory that belongs to this ledger: the first one that ever asked."""
        with self.reading() as session:
            known = session.exec(select(Site.id)).first()
        if known is not None:
            return known
        with self.writing() as session:
            known = session.exec(select(Site.id)).first()
            if known is None:
                session.add(Site(id=directory_id, created_at=database.now()))
            return known or directory_id

    # --- drops ---------------------------------------------------------------------------------------------------

    def land(
        self,
        landed: Sequence[tuple[Drop, Import]],
        follow: Follow | None = None,
        companions: Sequence[Companion] = (),
    ) -> dict[str, str]:
        """Record drops and their imports in this order, then companions, all or none. May raise ShortIdTaken.

        `follow` is called in the transaction with the id of each import that has ended already. A drop whose
        `origin_ref` is known, since somebody else saw the same file and was faster, is left out; returns the ids of
        such drops, each with the id under which it was recorded.
        """
        before: dict[str, str] = {}
        with self.writing() as session:
            refs = [*(drop.origin_ref for drop, _ in landed), *(each.origin_ref for each in companions)]
            known = _recorded(session, [ref for ref in refs if ref is not None])
            new = []
            for drop, job in landed:
                if drop.origin_ref is not None and drop.origin_ref in known:
                    before[drop.id] = known[drop.origin_ref]
                    continue
                if drop.origin_ref is not None:
                    known[drop.origin_ref] = drop.id
                new.append((drop, job))
            if new:
                self._record(session, new, follow)
            for each in companions:
                if each.origin_ref is not None and each.origin_ref in known:
                    before[each.id] = known[each.origin_ref]
                    continue
                if each.origin_ref is not None:
                    known[each.origin_ref] = each.id
                _record_companion(session, each)
        return before

    def _record(self, session: Session, landed: Sequence[tuple[Drop, Import]], follow: Follow | None) -> None:
        found = pairing.meet(session, landed, max(job.created_at for _, job in landed))
        # Not as objects: a burst of files would spend most of its time on them.
        connection = session.connection()
        connection.execute(insert(Drop), [drop.model_dump() for drop, _ in landed])
        try:
            connection.execute(insert(Import), [job.model_dump(exclude={"sequence"}) for _, job in landed])
        except IntegrityError as error:
            if "short_id" in str(error.orig):
                raise ShortIdTaken from error
            raise
        pairing.belong(session, found)
        totals.add(session, totals.of_landing(landed))
        for _, job in landed:
            if follow is not None and job.status.ended:
                follow(session, job.id)
        for tenant in {job.tenant for _, job in landed if job.settle_seconds}:
            put_off(session, tenant, max(job.created_at for _, job in landed if job.tenant == tenant))

    def drop(self, drop_id: str) -> Drop:
        """One drop; NoResultFound if there is none."""
        with self.reading() as session:
            return session.exec(select(Drop).where(Drop.id == drop_id)).one()

    def drop_names(self, ids: Sequence[str]) -> dict[str, str]:
        """What drops are called now, by their ids."""
        with self.reading() as session:
            return dict(session.exec(select(Drop.id, Drop.name).where(col(Drop.id).in_(ids))).all())

    def known_drops(self, ids: Iterable[str], *, after_all: bool = False) -> set[str]:
        """Those of `ids` that the ledger has recorded; `after_all`: once what is being committed now has ended."""
        wanted, known = list(ids), set[str]()
        with self.writing() if after_all else self.reading() as session:
            for start in range(0, len(wanted), _IDS_PER_QUESTION):
                some = wanted[start : start + _IDS_PER_QUESTION]
                known.update(session.exec(select(Drop.id).where(col(Drop.id).in_(some))))
        return known

    def landed(self, references: Iterable[str]) -> set[str]:
        """Those of these versions of polled files, by their `origin_ref`, that were landed before."""
        wanted, known = list(references), set[str]()
        with self.reading() as session:
            for start in range(0, len(wanted), _IDS_PER_QUESTION):
                some = wanted[start : start + _IDS_PER_QUESTION]
                known.update(_recorded(session, some))
        return known

    def drops_like(self, reference: str) -> Sequence[Drop | Companion]:
        """Drops, and companions, whose `origin_ref` begins so."""
        with self.reading() as session:
            drops = select(Drop).where(col(Drop.origin_ref).startswith(reference, autoescape=True))
            companions = select(Companion).where(col(Companion.origin_ref).startswith(reference, autoescape=True))
            return [*session.exec(drops), *session.exec(companions)]

    def shown_drops(self, tenant: str, folder: str, name: str | None = None) -> Sequence[tuple[Drop, Import]]:
        """Drops that a tenant's inbox folder lists, or only those called `name`, oldest first, with their imports."""
        statement = (
            select(Drop, Import)
            .join(Import, col(Import.drop_id) == col(Drop.id))
            .where(col(Drop.shown).is_(True), Drop.tenant == tenant, Drop.shown_folder == folder)
            .order_by(col(Import.sequence))
        )
        if name is not None:
            statement = statement.where(Drop.shown_name == name)
        with self.reading() as session:
            return list(session.exec(statement))

    def hide(self, drop_id: str) -> None:
        """Stop listing a drop in the inbox."""
        with self.writing() as session:
            session.exec(update(Drop).where(col(Drop.id) == drop_id).values(shown=False))

    def hide_ended(self, before: datetime) -> None:
        """Stop listing drops whose import ended before a moment."""
        ended = select(Import.drop_id).where(col(Import.completed_at) < before)
        with self.writing() as session:
            session.exec(update(Drop).where(col(Drop.shown).is_(True), col(Drop.id).in_(ended)).values(shown=False))

    def relocate(self, drop_id: str, location: str) -> None:
        """Record where a drop's bytes are now."""
        with self.writing() as session:
            session.exec(update(Drop).where(col(Drop.id) == drop_id).values(location=location))

    def show_as(self, drop_id: str, folder: str, name: str) -> None:
        """Change what the customer sees; the import goes on under the name it landed with."""
        with self.writing() as session:
            session.exec(update(Drop).where(col(Drop.id) == drop_id).values(shown_folder=folder, shown_name=name))

    def reroute(self, job: Import, drop: Drop, was: Status, follow: Follow | None = None) -> bool:
        """Give an import that nobody has claimed another name and route, as `job` and `drop` say.

        `follow` is called in the transaction if that ends it. False if it no longer has the status it `was` read with,
        or was claimed since.
        """
        unclaimed = (col(Import.id) == job.id, col(Import.status) == was, col(Import.attempts) == job.attempts)
        with self.writing() as session:
            drop.stem = fold(stem(drop.name)) if drop.member is None else None
            pairing.belong(session, pairing.meet(session, [(drop, job)], database.moment(session)))
            route = job.model_dump(include=_ROUTE)
            if not session.exec(update(Import).where(*unclaimed).values(**route)).rowcount:
                return False
            names = drop.model_dump(include={"folder", "name", "stem", "shown_folder", "shown_name"})
            session.exec(update(Drop).where(col(Drop.id) == drop.id).values(**names))
            if not was.ended:
                totals.add(session, totals.of_end(job.tenant, job.status))
            if follow is not None and job.status.ended:
                follow(session, job.id)
            return True

    # --- imports -------------------------------------------------------------------------------------------------

    def import_(self, import_id: str) -> tuple[Import, Drop]:
        """One import by its id, or by its short id where that is unambiguous; UsageError if there is none."""
        statement = (
            select(Import, Drop)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where((Import.id == import_id) | (Import.short_id == import_id))
        )
        with self.reading() as session:
            found = session.exec(statement).all()
        if not found:
            raise UsageError(f"there is no import {import_id}", fix="See `ingester imports list`.")
        if len(found) > 1:
            raise UsageError(f"several tenants have an import {import_id}", fix="Give the whole id.")
        return found[0]

    def imports(
        self, *, tenant: str | None = None, status: Status | None = None, limit: int = 100
    ) -> Sequence[tuple[Import, Drop]]:
        """The newest imports, newest first."""
        statement = select(Import, Drop).join(Drop, col(Import.drop_id) == col(Drop.id))
        if tenant is not None:
            statement = statement.where(Import.tenant == tenant)
        if status is not None:
            statement = statement.where(Import.status == status)
        with self.reading() as session:
            return list(session.exec(statement.order_by(col(Import.sequence).desc()).limit(limit)))

    def attempts(self, import_id: str) -> Sequence[Attempt]:
        """Every execution of an import, in order."""
        with self.reading() as session:
            return session.exec(
                select(Attempt).where(Attempt.import_id == import_id).order_by(col(Attempt.number))
            ).all()

    def waiting(self) -> Sequence[tuple[Import, Drop]]:
        """Every import that has not ended, in landing order."""
        statement = (
            select(Import, Drop)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(col(Import.status).in_([status for status in Status if not status.ended]))
            .order_by(col(Import.sequence))
        )
        with self.reading() as session:
            return list(session.exec(statement))

    def stopped(self, limit: int, since: datetime | None = None) -> Sequence[tuple[Import, Drop]]:
        """The imports that failed or were canceled last, or `since` a moment, newest first."""
        statement = (
            select(Import, Drop)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(col(Import.status).in_((Status.FAILED, Status.TIMED_OUT, Status.CANCELED)))
            .order_by(col(Import.completed_at).desc())
            .limit(limit)
        )
        if since is not None:
            statement = statement.where(col(Import.completed_at) >= since)
        with self.reading() as session:
            return list(session.exec(statement))

    def applied_before(self, job: Import, name: str | None = None) -> tuple[Import, Drop] | None:
        """The last import before `job` in its line that may have changed records; `name`: of a file called so."""
        statement = (
            select(Import, Drop)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(
                *_is_in_line_of(job),
                col(Import.dry_run).is_(False),
                col(Import.outcome).in_((Outcome.ACCEPTED, Outcome.PARTIAL)),
                # What an archive held is asked for, not the archive.
                or_(col(Import.run_id).is_(None), col(Import.run_id) != col(Import.id)),
            )
            .order_by(col(Import.position).desc(), col(Import.sequence).desc())
            .limit(1)
        )
        if name is not None:
            statement = statement.where(Drop.name == name)
        position, sequence = job.place
        # Two questions, so that either is a look into the index.
        landed = (col(Import.position).is_(None), col(Import.sequence) < position)
        brought = or_(
            col(Import.position) < position, and_(col(Import.position) == position, col(Import.sequence) < sequence)
        )
        with self.reading() as session:
            found = [session.exec(statement.where(*landed)).first(), session.exec(statement.where(brought)).first()]
        return max((each for each in found if each is not None), key=lambda each: each[0].place, default=None)

    def line_behind(self, job: Import) -> Sequence[tuple[Import, Drop]]:
        """The queued imports of the same line as `job`, in order."""
        statement = (
            select(Import, Drop)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(*_is_in_line_of(job), Import.status == Status.QUEUED, col(Import.opens).is_(False))
        )
        with self.reading() as session:
            return sorted(session.exec(statement), key=lambda each: each[0].place)

    def superseded(self) -> Sequence[tuple[Import, Drop, Drop]]:
        """Held imports whose place a newer drop of their feed is to take, with their own drop and that one."""
        statement = (
            select(Import, Drop)
            .join(Drop, col(Import.drop_id) == col(Drop.id))
            .where(Import.status == Status.NEEDS_ATTENTION, Import.on_hold == HoldHandling.SUPERSEDE)
        )
        with self.reading() as session:
            held = list(session.exec(statement))
        found = []
        for job, drop in held:
            newer = [
                its_drop
                for other, its_drop in self.line_behind(job)
                if other.feed == job.feed and other.dry_run == job.dry_run
            ]
            if newer:
                found.append((job, drop, newer[-1]))
        return found


def _recorded(session: Session, refs: Sequence[str]) -> dict[str, str]:
    """Of what is known by these references, the ids."""
    if not refs:
        return {}
    drops = select(Drop.origin_ref, Drop.id).where(col(Drop.origin_ref).in_(refs))
    companions = select(Companion.origin_ref, Companion.id).where(col(Companion.origin_ref).in_(refs))
    return {ref: its_id for ref, its_id in [*session.exec(drops), *session.exec(companions)] if ref is not None}


def _record_companion(session: Session, companion: Companion) -> None:
    # Whatever an earlier try to commit has made of it.
    companion.number = companion.import_id = None
    session.add(companion)
    if companion.origin_ref is not None:
        # Nothing is left to be done with it in its bucket.
        its = (col(S3Object.ref) == companion.origin_ref, col(S3Object.settled_at).is_(None))
        done = {"settled_at": companion.landed_at, "reported_at": companion.landed_at}
        session.exec(update(S3Object).where(*its).values(**done))
    session.flush()
    pairing.arrive(session, companion, companion.landed_at)


def put_off(session: Session, tenant: str, landed_at: datetime) -> None:
    """Let what settles of a tenant wait longer, since something more has landed; its batch starts as one."""
    settling = (
        col(Import.tenant) == tenant,
        col(Import.status) == Status.QUEUED,
        col(Import.attempts) == 0,
        col(Import.settle_seconds) > 0,
        col(Import.due_at) > landed_at,
    )
    for length in session.exec(select(Import.settle_seconds).where(*settling).distinct()).all():
        rest = timedelta(seconds=length)
        early = (
            col(Import.settle_seconds) == length,
            col(Import.due_at) < landed_at + rest,
            col(Import.created_at) > landed_at - _LONGEST_SETTLING * rest,
        )
        session.exec(update(Import).where(*settling, *early).values(due_at=landed_at + rest))


def _is_in_line_of(job: Import) -> tuple[bool, ...]:
    """Conditions that hold for the imports of one (tenant, entity, source), which run one at a time."""
    return (
        Import.tenant == job.tenant,
        Import.catalogue == job.catalogue,
        Import.entity == job.entity,
        Import.source == job.source,
    )
