"""What follows when an import ends or is held, in that very transaction: alerts about its size, and notifications."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from ingester.domain.status import Status
from ingester.expectation import size
from ingester.notify import event, fact
from ingester.notify.notification import announce, told_of
from ingester.store.database import now
from ingester.store.ledger_tables import Drop, Import

_ENDED = (
    select(Import, Drop, told_of(Import.tenant))
    .join(Drop, col(Import.drop_id) == col(Drop.id))
    .where(col(Import.id) == bindparam("id"))
    .execution_options(populate_existing=True)
)


def follow(session: Session, import_id: str) -> None:
    """Look at an import as it is by now, and alert and tell whoever asked for it. Doing so again changes nothing.

    A dry run has no consequences: who asked for it reads its report.
    """
    job, drop, is_told = session.exec(_ENDED, params={"id": import_id}).one()
    if job.dry_run:
        return
    at = now()
    size.judge(session, job, at)
    events = event.of_import(job.status, job.outcome)
    if not events or not is_told:
        return
    # A failed import may be tried again and fail again, and a hold follow another: each time is told.
    attempt = "" if job.status is Status.COMPLETED else f"/{job.attempts}"
    announce(
        session,
        tenant=job.tenant,
        feed=job.feed,
        events=events,
        occasion=f"import/{job.id}/{job.status}{attempt}",
        content=fact.of_import(job, drop, events[0]),
        at=at,
    )
