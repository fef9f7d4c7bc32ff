"""What follows when an import ends or is held, in that very transaction: alerts about its size, and notifications."""

from __future__ import annotations

from sqlmodel import Session, col, select

from ingester.domain.status import Status
from ingester.expectation import size
from ingester.notify import event, fact
from ingester.notify.notification import announce
from ingester.store.database import now
from ingester.store.ledger_tables import Drop, Import


def follow(session: Session, import_id: str) -> None:
    """Look at an import as it is by now, and alert and tell whoever asked for it. Doing so again changes nothing.

    A dry run has no consequences: who asked for it reads its report.
    """
    statement = select(Import, Drop).join(Drop, col(Import.drop_id) == col(Drop.id)).where(Import.id == import_id)
    job, drop = session.exec(statement.execution_options(populate_existing=True)).one()
    if job.dry_run:
        return
    at = now()
    size.judge(session, job, at)
    events = event.of_import(job.status, job.outcome)
    if not events:
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
