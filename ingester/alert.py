"""Alerts: raised once for one subject, resolved when what they tell of is over. Both are told to whoever asked for it.

Everything happens in the caller's transaction, so that neither a crash nor a second scheduler alerts twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import Session, col, select

from ingester.domain.alert import AlertKind
from ingester.domain.errors import UsageError
from ingester.notify import fact
from ingester.notify.event import Event
from ingester.notify.notification import announce
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Alert


def raise_alert(
    session: Session,
    *,
    tenant: str,
    kind: AlertKind,
    subject: str,
    message: str,
    feed: str | None = None,
    due_at: datetime | None = None,
    import_id: str | None = None,
    at: datetime | None = None,
) -> bool:
    """Raise an alert in a writing transaction; False if this subject was alerted of before, resolved by now or not.

    `subject` says what it is about, so that it is told from all others of the kind, for ever: a due moment, an import's
    id, a path with the file's size and time. `message` is one sentence for operator and customer, without cell values.
    """
    if session.exec(select(Alert.id).where(*_about(tenant, feed, kind, subject))).first() is not None:
        return False
    alert = Alert(
        tenant=tenant,
        feed=feed or "",
        kind=kind,
        subject=subject,
        message=message,
        due_at=due_at,
        import_id=import_id,
        raised_at=at or now(),
    )
    session.add(alert)
    session.flush()
    _tell(session, alert, alert.raised_at)
    return True


def resolve(
    session: Session,
    *,
    tenant: str,
    kind: AlertKind,
    by: str,
    feed: str | None = None,
    subject: str | None = None,
    at: datetime | None = None,
    quietly: bool = False,
) -> int:
    """Resolve the open alerts of one kind and feed, or only that about `subject`; how many there were.

    `by` says in a few words what ended them. `quietly`: nobody is told, since another alert takes their place.
    """
    statement = select(Alert).where(*_about(tenant, feed, kind, subject), col(Alert.resolved_at).is_(None))
    found = session.exec(statement.order_by(col(Alert.id))).all()
    for each in found:
        _close(session, each, by, at or now(), quietly=quietly)
    return len(found)


def close(ledger: Ledger, number: int, by: str) -> Alert:
    """Resolve one alert by its number, as an operator; UsageError if there is none, or it is resolved."""
    with ledger.writing() as session:
        found = session.get(Alert, number)
        if found is None:
            raise _unknown(number)
        if found.resolved_at is not None:
            raise UsageError(f"alert {number} is resolved already, by {found.resolved_by}")
        _close(session, found, by, now(), quietly=False)
        return found


def purge(ledger: Ledger, before: datetime) -> int:
    """Forget alerts that were resolved before a moment; how many there were."""
    with ledger.writing() as session:
        return session.exec(delete(Alert).where(col(Alert.resolved_at) < before)).rowcount


def alerts(ledger: Ledger, *, tenant: str | None = None, everything: bool = False, limit: int = 100) -> Sequence[Alert]:
    """The newest alerts that are open, or also those resolved, newest first."""
    statement = select(Alert).order_by(col(Alert.id).desc()).limit(limit)
    if tenant is not None:
        statement = statement.where(Alert.tenant == tenant)
    if not everything:
        statement = statement.where(col(Alert.resolved_at).is_(None))
    with ledger.reading() as session:
        return session.exec(statement).all()


def alert(ledger: Ledger, number: int) -> Alert:
    """One alert by its number; UsageError if there is none."""
    with ledger.reading() as session:
        found = session.get(Alert, number)
    if found is None:
        raise _unknown(number)
    return found


def _close(session: Session, alert: Alert, by: str, at: datetime, *, quietly: bool) -> None:
    alert.resolved_at, alert.resolved_by = at, by
    session.add(alert)
    if not quietly:
        _tell(session, alert, at)


def _tell(session: Session, alert: Alert, at: datetime) -> None:
    content = fact.of_alert(alert)
    announce(
        session,
        tenant=alert.tenant,
        feed=alert.feed or None,
        events=(Event(alert.kind),),
        occasion=f"alert/{alert.id}/{content['state']}",
        content=content,
        at=at,
    )


def _unknown(number: int) -> UsageError:
    return UsageError(f"there is no alert {number}", fix="See `ingester alerts list`.")


def _about(tenant: str, feed: str | None, kind: AlertKind, subject: str | None) -> list[bool]:
    conditions = [Alert.tenant == tenant, Alert.feed == (feed or ""), Alert.kind == kind]
    return conditions if subject is None else [*conditions, Alert.subject == subject]
