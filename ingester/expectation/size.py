"""Whether a drop that was read has the rows that its feed expects; judged when its import ends, in that transaction."""

from __future__ import annotations

from datetime import datetime
from statistics import median

from sqlalchemy import or_
from sqlmodel import Session, col, select

from ingester import alert
from ingester.domain.alert import AlertKind
from ingester.domain.status import Outcome, Status
from ingester.expectation.words import Expects
from ingester.store.ledger_tables import Feed, Import

#: Drops before this one whose median it is compared with, at most.
_COMPARED = 7


def judge(session: Session, job: Import, at: datetime) -> None:
    """Raise `empty` or `shrunken` about an import that has ended, or resolve those of the drops before it.

    What was not read says nothing: a file that failed otherwise, or one that repeats the last. Nor does an archive:
    its files speak for themselves.
    """
    rows = _rows(job)
    if rows is None or job.feed is None or job.is_set:
        return
    statement = select(Feed.expects).where(Feed.tenant == job.tenant, Feed.name == job.feed)
    words = session.exec(statement).first()
    if words is None:
        return
    kind, said = _shortfall(session, job, rows, Expects.model_construct(**words))
    if kind is not None:
        alert.raise_alert(
            session, tenant=job.tenant, feed=job.feed, kind=kind, subject=job.id, message=said, import_id=job.id, at=at
        )
        return
    for over in (AlertKind.EMPTY, AlertKind.SHRUNKEN):
        alert.resolve(session, tenant=job.tenant, feed=job.feed, kind=over, by=f"import {job.short_id}", at=at)


def _rows(job: Import) -> int | None:
    if job.status is Status.COMPLETED and job.outcome is not Outcome.DUPLICATE:
        return (job.stats or {}).get("total_rows")
    return 0 if job.status is Status.FAILED and job.reason == "empty_file" else None


def _shortfall(session: Session, job: Import, rows: int, expects: Expects) -> tuple[AlertKind | None, str]:
    if rows == 0 and expects.min_rows > 0:
        return AlertKind.EMPTY, f"Import {job.short_id} has no rows"
    if rows < expects.min_rows:
        return (
            AlertKind.SHRUNKEN,
            f"Import {job.short_id} has {_counted(rows)}; at least {expects.min_rows:,} are expected",
        )
    usual = None if expects.shrink is None else _usual(session, job)
    if usual is None or rows >= usual * (100 - (expects.shrink or 0)) / 100:
        return None, ""
    message = f"Import {job.short_id} has {_counted(rows)}; the last ones had {usual:,.0f}"
    return AlertKind.SHRUNKEN, f"{message}, of which {expects.shrink} % may be missing"


def _usual(session: Session, job: Import) -> float | None:
    """The median of what the feed's last drops held; None before the first."""
    statement = (
        select(Import.stats)
        .where(
            Import.tenant == job.tenant,
            Import.feed == job.feed,
            col(Import.sequence) < job.sequence,
            Import.status == Status.COMPLETED,
            col(Import.outcome).in_((Outcome.ACCEPTED, Outcome.PARTIAL)),
            col(Import.dry_run).is_(False),
            or_(col(Import.run_id).is_(None), col(Import.run_id) != col(Import.id)),
        )
        .order_by(col(Import.sequence).desc())
        .limit(_COMPARED)
    )
    sizes = [stats["total_rows"] for stats in session.exec(statement) if stats and stats.get("total_rows")]
    return median(sizes) if sizes else None


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
