"""Whose turn it is: which import starts next, and why another one that waits does not.

Imports of one (tenant, entity, source), a line, run one at a time as they landed; a tenant's parents go before its
children, then what has priority. An archive that nobody has looked into may hold anything: it goes first, and what
landed after it waits until it was opened; its files then take its place in the order. Tenants take turns by their
weights (stride scheduling: Waldspurger and Weihl, 1995). What is paused, not due yet or over a limit waits. Statements
only; who may write is the caller's to see to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, BindParameter, and_, bindparam, case, cast, exists, func, or_
from sqlmodel import Session, col, select

from ingester.domain.companion import described
from ingester.domain.status import Status
from ingester.store.ledger_tables import Feed, Import, Tenant

_UNFINISHED = (Status.QUEUED, Status.PROCESSING, Status.NEEDS_ATTENTION)
#: Whether somebody works on an import that has begun: nobody does on an archive whose files are imports of their own.
IS_RUNNING = and_(col(Import.status) == Status.PROCESSING, col(Import.worker).is_not(None))
#: As `Import.place`, in one number; the sequence number is its lower half.
_HALF = 1 << 32
PLACE = cast(func.coalesce(Import.position, Import.sequence), BigInteger) * _HALF + col(Import.sequence)

#: Whether an import's tenant or feed is paused.
PAUSED = exists().where(col(Tenant.name) == col(Import.tenant), col(Tenant.paused_at).is_not(None)) | exists().where(
    col(Feed.tenant) == col(Import.tenant), col(Feed.name) == col(Import.feed), col(Feed.paused_at).is_not(None)
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A tenant that has something to do. Who has the lowest value is next."""

    tenant: str
    value: float
    weight: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Head:
    """The import that a line waits for: the one that runs, or the first."""

    job: Import
    is_paused: bool


# Statements of a claim, built once: to build them takes longer than to run them.
_WAITING = (
    select(Import.tenant, func.min(Import.sequence).label("first"))
    .where(Import.status == Status.QUEUED, col(Import.due_at) <= bindparam("at"))
    .group_by(Import.tenant)
    .subquery()
)
_RUNNING = select(Import.tenant, func.count().label("number")).where(IS_RUNNING).group_by(Import.tenant).subquery()
_RUNNING_OF_ALL = select(func.count()).where(IS_RUNNING).scalar_subquery()
#: Whoever was idle goes on where the others are, rather than to make up for turns that it had no use for.
_REACHED = select(func.coalesce(func.max(Tenant.turn - 1.0 / Tenant.weight), 0.0)).scalar_subquery()
_VALUE = case((col(Tenant.turn) > _REACHED, col(Tenant.turn)), else_=_REACHED).label("value")
#: Of a statement about tenants with `_RUNNING` beside them: those that may be served.
_SERVED = (
    col(Tenant.paused_at).is_(None),
    or_(col(Tenant.concurrency).is_(None), func.coalesce(_RUNNING.c.number, 0) < col(Tenant.concurrency)),
    bindparam("at_once") > _RUNNING_OF_ALL,
)
_IN_TURN = (
    select(Tenant.name, _VALUE, Tenant.weight, Tenant.timezone)
    .join(_WAITING, _WAITING.c.tenant == col(Tenant.name))
    .outerjoin(_RUNNING, _RUNNING.c.tenant == col(Tenant.name))
    .where(*_SERVED)
    .order_by(_VALUE, col(Tenant.served_at).nulls_first(), _WAITING.c.first)
    .limit(bindparam("size"))
    .offset(bindparam("before"))
)
#: How many tenants are looked at together: one, as the first is nearly always served, then more and more.
_FIRST_GROUP, _LARGEST_GROUP = 1, 256
_IN_ORDER = (
    select(Tenant.name)
    .join(_WAITING, _WAITING.c.tenant == col(Tenant.name))
    .outerjoin(_RUNNING, _RUNNING.c.tenant == col(Tenant.name))
    .where(*_SERVED, col(Tenant.name) > bindparam("after"))
    .order_by(col(Tenant.name))
    .limit(bindparam("size"))
)
#: What imports that run one at a time, in order, have in common.
_LINE = ("tenant", "catalogue", "entity", "source", "opens")
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
                    func.min(PLACE) % _HALF,
                )
            )
            .where(
                col(Import.tenant).in_(_TENANTS),
                col(Import.status).in_(_UNFINISHED),
                or_(col(Import.status) != Status.PROCESSING, col(Import.worker).is_not(None)),
            )
            .group_by(*(col(getattr(Import, word)) for word in _LINE))
        )
    )
)
_ANY_NUMBER = 1 << 30


def is_anybodys(session: Session, at: datetime, at_once: int | None) -> bool:
    """Whether anything may start; asked without a lock, and so page by page in an order that does not change."""
    after = ""
    while True:
        most = _ANY_NUMBER if at_once is None else at_once
        asked = {"at": at, "at_once": most, "after": after, "size": _LARGEST_GROUP}
        names = session.exec(_IN_ORDER, params=asked).all()
        if not names:
            return False
        if any(_next_of(heads, at) is not None for heads in _heads(session, names).values()):
            return True
        after = names[-1]


def next_(session: Session, at: datetime, at_once: int | None) -> tuple[Turn, Import] | None:
    """Who is served next, and the import of theirs that nothing keeps waiting; None if there is none.

    To be asked by whoever may write: nobody else changes anything between its questions.

    `at_once` is how many imports may run at one time, of all tenants; None: any number.
    """
    size, before = _FIRST_GROUP, 0
    at_once = _ANY_NUMBER if at_once is None else at_once
    while True:
        asked = {"at": at, "at_once": at_once, "size": size, "before": before}
        turns = [Turn(*found) for found in session.exec(_IN_TURN, params=asked)]
        if not turns:
            return None
        heads = _heads(session, [turn.tenant for turn in turns])
        for turn in turns:
            first = _next_of(heads[turn.tenant], at)
            if first is not None:
                return turn, first
        before += size
        size = min(size * 16, _LARGEST_GROUP)


def _heads(session: Session, tenants: Collection[str]) -> Mapping[str, Sequence[Head]]:
    """What the lines of some tenants wait for, by tenant."""
    found: dict[str, list[Head]] = {}
    for job, paused_at in session.exec(_HEADS, params={"tenants": list(tenants)}):
        found.setdefault(job.tenant, []).append(Head(job, paused_at is not None))
    return found


def _next_of(heads: Sequence[Head], at: datetime) -> Import | None:
    """A tenant's first import that neither its own line, a parent, nor its feed keeps waiting."""
    busy = {_type(head.job) for head in heads if _keeps_children_waiting(head.job, at)}
    unopened = _unopened(heads)
    for head in sorted(heads, key=lambda each: (not each.job.opens, -each.job.priority, each.job.rank, each.job.place)):
        job = head.job
        may_start = job.status is Status.QUEUED and job.due_at <= at and not head.is_paused
        may_start = may_start and (unopened is None or job.place <= unopened.place)
        if may_start and not busy.intersection(job.ancestors):
            return job
    return None


def _unopened(heads: Sequence[Head]) -> Import | None:
    """A tenant's first archive that is yet to be opened."""
    return min((head.job for head in heads if head.job.opens), key=lambda job: job.place, default=None)


def _keeps_children_waiting(job: Import, at: datetime) -> bool:
    """A parent that runs, that is due, or that is to be tried again; not one whose window is yet to open."""
    return job.status is Status.PROCESSING or (job.status is Status.QUEUED and (job.due_at <= at or job.attempts > 0))


def _type(job: Import) -> str:
    return f"{job.catalogue}.{job.entity}"


def _line(job: Import) -> tuple[object, ...]:
    return tuple(getattr(job, word) for word in _LINE)


# --- why another one does not -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait:
    """What keeps an import from starting: a notice's code, and what its message says."""

    reason: str
    expected: str
    #: Whether it may last: until a moment to come, or until somebody does something.
    lasting: bool = True


def waits(session: Session, jobs: Iterable[Import], at: datetime) -> dict[str, Wait]:
    """What keeps each of these imports from starting, by id; nothing of those that only wait for a worker."""
    queued = [job for job in jobs if job.status is Status.QUEUED]
    names = sorted({job.tenant for job in queued})
    if not names:
        return {}
    tenants = {each.name: each for each in session.exec(select(Tenant).where(col(Tenant.name).in_(names)))}
    resting = select(Feed.tenant, Feed.name).where(col(Feed.tenant).in_(names), col(Feed.paused_at).is_not(None))
    paused = set(session.exec(resting).all())
    heads = _heads(session, names)
    found = {}
    for job in queued:
        why = _wait(job, tenants[job.tenant], (job.tenant, job.feed or "") in paused, heads.get(job.tenant, ()), at)
        if why is not None:
            found[job.id] = why
    return found


def _wait(job: Import, tenant: Tenant, is_feed_paused: bool, heads: Sequence[Head], at: datetime) -> Wait | None:
    first = next((head.job for head in heads if _line(head.job) == _line(job)), job)
    if first.status is Status.NEEDS_ATTENTION:
        return Wait("waits_for_decision", first.short_id)
    if tenant.paused_at is not None:
        return Wait("waits_for_resumption", f"'{tenant.name}'")
    if is_feed_paused:
        return Wait("waits_for_resumption", f"feed '{job.feed}'")
    if job.due_at > at and job.awaits and job.starts_at is not None and not job.attempts:
        until = f"{job.due_at.astimezone(ZoneInfo(tenant.timezone)):%Y-%m-%d %H:%M:%S %Z}"
        return Wait("waits_for_companion", f"{described(job.awaits)}, until {until} at the latest")
    if job.due_at > at:
        return Wait("waits_for_its_time", f"{job.due_at.astimezone(ZoneInfo(tenant.timezone)):%Y-%m-%d %H:%M:%S %Z}")
    if first.id != job.id:
        return Wait("waits_for_its_turn", first.short_id, lasting=False)
    unopened = _unopened(heads)
    if unopened is not None and unopened.place < job.place:
        return Wait("waits_for_its_turn", unopened.short_id, lasting=False)
    for head in heads:
        if _type(head.job) in job.ancestors and _keeps_children_waiting(head.job, at):
            return Wait("waits_for_its_turn", head.job.short_id, lasting=False)
    return None
