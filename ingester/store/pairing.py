"""Which companions belong to which import: found out when either lands, in the transaction that records it.

A companion is about one import. What landed for yesterday's file says nothing of today's of the same name; so one whose
file has come already goes to that, and one that waits for its file does so for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from ingester.domain import companion as names
from ingester.domain.companion import CompanionKind
from ingester.domain.reads import DEFAULT_WAIT
from ingester.domain.status import Origin, Status
from ingester.store.ledger_tables import Companion, Drop, Import

#: What an import is held for that another companion may mend.
MENDED = ("companion_missing", "companion_unreadable", "checksum_mismatch", "count_mismatch", "sum_mismatch")
#: For how long a companion that nobody demands waits for its file, and a file is known by it afterwards.
UNDEMANDED = timedelta(hours=1)
#: Imports of one name that are looked at.
_MOST = 50


# --- when a file lands ---------------------------------------------------------------------------------------------


def meet(session: Session, landed: Sequence[tuple[Drop, Import]], at: datetime) -> dict[str, list[int]]:
    """Let files about to be recorded find the companions that wait for them, or wait for those that have to come.

    Changes the imports; returns the companions of each by its id, to be given to `belong` when it is recorded.
    """
    wanted = {each for drop, _ in landed if drop.stem is not None for each in names.names(drop.name)}
    tenants = {drop.tenant for drop, _ in landed}
    waiting: list[Companion] = []
    if wanted:
        is_free = (col(Companion.import_id).is_(None), col(Companion.tenant).in_(tenants))
        waiting = list(session.exec(select(Companion).where(*is_free, col(Companion.of).in_(wanted))))
    found: dict[str, list[int]] = {}
    for drop, job in landed:
        if drop.stem is None or job.status.ended:
            continue
        if drop.origin is Origin.FOLDER and job.awaits:
            # Whoever took it from the folder has seen its done-marker.
            job.awaits = names.left(job.awaits, CompanionKind.MARKER)
        mine = [each for each in waiting if _is_about(each, drop) and each.landed_at >= at - _patience(job, each.kind)]
        for each in mine:
            waiting.remove(each)
            job.accompanied, job.awaits = True, names.left(job.awaits or (), each.kind)
        if mine:
            found[job.id] = [each.number for each in mine if each.number is not None]
        _put_off(job, at)
    return found


def belong(session: Session, found: dict[str, list[int]]) -> None:
    """Remember which import companions are about."""
    for import_id, numbers in found.items():
        session.exec(update(Companion).where(col(Companion.number).in_(numbers)).values(import_id=import_id))


def _is_about(each: Companion, drop: Drop) -> bool:
    return (each.tenant, each.folder) == (drop.tenant, drop.folder) and names.accompanies(each.kind, each.of, drop.name)


def _patience(job: Import, kind: CompanionKind) -> timedelta:
    return _wait(job) if _is_awaited(job, kind) else UNDEMANDED


def _wait(job: Import) -> timedelta:
    return timedelta(seconds=(job.reads or {}).get("wait", DEFAULT_WAIT))


def _is_awaited(job: Import, kind: CompanionKind) -> bool:
    awaited = job.awaits or []
    return len(names.left(awaited, kind)) < len(awaited)


def _put_off(job: Import, at: datetime) -> None:
    """Let an import that has not begun wait as long as something is missing, and no longer."""
    if job.awaits:
        job.starts_at = job.starts_at or job.due_at
        job.due_at = max(job.starts_at, job.created_at + _wait(job))
    elif job.starts_at is not None:
        job.due_at, job.starts_at = max(job.starts_at, at), None


# --- when a companion lands ----------------------------------------------------------------------------------------


def arrive(session: Session, companion: Companion, at: datetime) -> Import | None:
    """Give a companion to the import that it is about, and let that start or be looked at again; None: it waits."""
    statement = (
        select(Import, Drop)
        .join(Drop, col(Import.drop_id) == col(Drop.id))
        .where(
            Drop.tenant == companion.tenant,
            Drop.folder == companion.folder,
            col(Drop.stem).in_(names.keys(companion.of)),
        )
        .order_by(col(Import.sequence).desc())
        .limit(_MOST)
    )
    jobs = [job for job, drop in session.exec(statement) if _is_about(companion, drop)]
    job = _chosen(session, jobs, companion, at)
    if job is None:
        return None
    companion.import_id, job.accompanied = job.id, True
    job.awaits = names.left(job.awaits or (), companion.kind)
    if job.status is Status.QUEUED and not job.attempts:
        _put_off(job, at)
    elif job.status is Status.NEEDS_ATTENTION and job.reason in MENDED and not job.awaits:
        job.status, job.reason, job.message, job.due_at, job.starts_at = Status.QUEUED, None, None, at, None
    session.add(job)
    session.add(companion)
    session.flush()
    return job


def _chosen(session: Session, jobs: Sequence[Import], companion: Companion, at: datetime) -> Import | None:
    """The newest that waits for it, else that it mends, else that came shortly before without it."""
    kind = companion.kind
    for job in jobs:
        if not job.status.ended and _is_awaited(job, kind):
            return job
    for job in jobs:
        if job.status is Status.NEEDS_ATTENTION and job.reason in MENDED:
            return job
    statement = select(Companion.import_id, Companion.sha256).where(
        col(Companion.import_id).in_([job.id for job in jobs]), Companion.kind == kind
    )
    known: dict[str | None, set[str]] = {}
    for import_id, sha256 in session.exec(statement) if jobs else ():
        known.setdefault(import_id, set()).add(sha256)
    for job in jobs:
        # The same one once more is the same one; another one is that of a file to come.
        if job.created_at >= at - UNDEMANDED and (job.id not in known or companion.sha256 in known[job.id]):
            return job
    return None
