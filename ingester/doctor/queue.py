"""Checks of what waits: imports that nobody takes, those that wait for a decision, and open alerts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlmodel import col, func, select

from ingester import alert, turn
from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.domain import notice
from ingester.domain.status import Status
from ingester.store.ledger_tables import Feed, Import, Tenant

_STUCK = timedelta(hours=1)
_UNDECIDED = timedelta(days=1)


def queue(subject: Subject) -> Iterator[Finding]:
    """Whether imports wait that could run while no worker works."""
    if subject.ledger is None:
        return
    at = subject.now()
    longest = (
        select(Import)
        .where(col(Import.status) == Status.QUEUED, col(Import.due_at) < at - _STUCK, ~turn.PAUSED)
        .order_by(col(Import.due_at))
        .limit(1)
    )
    with subject.ledger.reading() as session:
        counts = dict(
            session.exec(
                select(Import.status, func.count())
                .where((col(Import.status) == Status.QUEUED) | turn.IS_RUNNING)
                .group_by(col(Import.status))
            ).all()
        )
        job = session.exec(longest).first()
    queued, busy = counts.get(Status.QUEUED, 0), counts.get(Status.PROCESSING, 0)
    if job is None or busy:
        yield ok(f"{queued} imports wait, {busy} run")
        return
    since = f"import {job.short_id} of {job.tenant} has waited since {job.due_at:%Y-%m-%d %H:%M} UTC"
    with subject.ledger.reading() as session:
        wait = turn.waits(session, [job], subject.now()).get(job.id)
    if wait is not None and wait.reason == "waits_for_decision":
        held = wait.expected
        yield warning(f"{since}, behind {held}, which is held", f"`ingester imports approve {held}`, or reject it.")
    elif wait is not None:
        yield warning(f"{since}: {notice.message(wait.reason, expected=wait.expected)}", "Resume it, or wait for it.")
    else:
        yield wrong(f"{since}, and no worker works", "Start the service again; if it waits on, its log says why.")


def pauses(subject: Subject) -> Iterator[Finding]:
    """Whether somebody forgot to resume what was paused."""
    if subject.ledger is None:
        return
    waiting = (col(Import.tenant) == col(Tenant.name), col(Import.status) == Status.QUEUED)
    ends = subject.now() - _UNDECIDED
    tenants = select(Tenant.name, Tenant.paused_at, select(func.count()).where(*waiting).scalar_subquery())
    of_feed = (
        col(Import.tenant) == col(Feed.tenant),
        col(Import.feed) == col(Feed.name),
        col(Import.status) == Status.QUEUED,
    )
    feeds = select(Feed.tenant, Feed.name, Feed.paused_at, select(func.count()).where(*of_feed).scalar_subquery())
    with subject.ledger.reading() as session:
        paused = [
            *(
                (f"customer '{name}'", f"tenant resume {name}", since, number)
                for name, since, number in session.exec(
                    tenants.where(col(Tenant.paused_at) < ends, col(Tenant.removed_at).is_(None))
                )
            ),
            *(
                (f"feed '{name}' of '{tenant}'", f"feed resume {tenant} {name}", since, number)
                for tenant, name, since, number in session.exec(feeds.where(col(Feed.paused_at) < ends))
            ),
        ]
    for what, command, since, number in paused:
        if number:
            yield warning(
                f"{what} is paused since {since:%Y-%m-%d}, and {number} imports wait", f"`ingester {command}`."
            )


def holds(subject: Subject) -> Iterator[Finding]:
    """Whether somebody forgot to decide."""
    if subject.ledger is None:
        return
    statement = select(Import).where(col(Import.status) == Status.NEEDS_ATTENTION).order_by(col(Import.created_at))
    with subject.ledger.reading() as session:
        held = session.exec(statement).all()
    if held and held[0].created_at < subject.now() - _UNDECIDED:
        first = held[0]
        yield warning(
            f"{len(held)} imports wait for a decision, {first.short_id} of {first.tenant} since "
            f"{first.created_at:%Y-%m-%d}: {first.reason}",
            f"`ingester imports show {first.short_id}`, then approve or reject it.",
        )
    else:
        yield ok(f"{len(held)} imports wait for a decision")


def alerts(subject: Subject) -> Iterator[Finding]:
    """Whether something is late, missing or left lying."""
    if subject.ledger is None:
        return
    found = alert.alerts(subject.ledger)
    if found:
        newest = found[0]
        yield warning(
            f"{len(found)} alerts are open, the newest of {newest.tenant}: {newest.message}",
            "`ingester alerts list`; what arrives resolves its alert, `ingester alerts resolve ID` any other.",
        )
    else:
        yield ok("no alert is open")
