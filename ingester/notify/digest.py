"""Many events at once become one message: what waits for a target beyond its share of a minute is folded together."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from ingester.notify.message import DIGEST
from ingester.notify.notification import State, waiting
from ingester.store.ledger_tables import Notification

_MINUTE = timedelta(minutes=1)
#: Events that a summary names one by one.
_NAMED = 20


def room(session: Session, target_id: int, per_minute: int, at: datetime) -> int:
    """How many messages may be tried for a target now."""
    tried = select(func.count()).where(
        Notification.target_id == target_id, col(Notification.attempted_at) > at - _MINUTE
    )
    return max(0, per_minute - session.exec(tried).one())


def fold(session: Session, target_id: int, at: datetime) -> Notification | None:
    """One new notification for all that are due for a target; they count as told by it. None if that is not two."""
    due = (
        col(Notification.target_id) == target_id,
        col(Notification.state) == State.WAITING,
        col(Notification.due_at) <= at,
        col(Notification.event) != DIGEST,
    )
    counts = dict(
        session.exec(
            select(Notification.event, func.count())
            .where(*due)
            .group_by(Notification.event)
            .order_by(Notification.event)
        ).all()
    )
    total = sum(counts.values())
    if total < 2:
        return None
    first = session.exec(select(Notification).where(*due).order_by(col(Notification.created_at)).limit(_NAMED)).all()
    tenants = {each.tenant for each in first}
    tenant = tenants.pop() if len(tenants) == 1 else "*"
    content = {
        "event": DIGEST,
        "tenant": tenant,
        "total": total,
        "counts": counts,
        "first": [{"id": each.id, "tenant": each.tenant, "event": each.event, "about": _about(each)} for each in first],
    }
    digest = waiting(target_id, tenant, DIGEST, f"digest/{first[0].id}", content, at)
    # The oldest of them says for how long it is tried.
    digest.created_at = first[0].created_at
    session.add(digest)
    session.flush()
    folded = {"state": State.FOLDED, "digest_id": digest.id, "ended_at": at}
    session.exec(update(Notification).where(*due).values(**folded).execution_options(synchronize_session=False))
    return digest


def _about(notification: Notification) -> str:
    content = notification.content
    return str(content["file"]["name"] if "file" in content else content.get("feed") or "inbox")
