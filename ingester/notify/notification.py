"""Putting notifications into the outbox, in the transaction of what they tell of: one for each event and target."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Exists, exists
from sqlmodel import Session, col, select

from ingester.notify.event import Event
from ingester.store.ledger_tables import Notification, NotifyTarget

#: The tenant of targets that are told about every tenant.
EVERY_TENANT = "*"


class State(StrEnum):
    """Where a notification stands."""

    WAITING = "waiting"
    SENT = "sent"
    FOLDED = "folded"
    GIVEN_UP = "given_up"


def announce(
    session: Session,
    *,
    tenant: str,
    feed: str | None,
    events: Sequence[Event],
    occasion: str,
    content: Mapping[str, Any],
    at: datetime,
) -> int:
    """Queue one notification for each target that wants one of `events`; how many were new.

    The first event is the one it is sent as. `occasion` tells it from every other; said twice, it is queued once.
    """
    queued = 0
    for target in _interested(session, tenant, feed, events):
        known = select(Notification.id).where(Notification.target_id == target.id, Notification.occasion == occasion)
        if session.exec(known).first() is not None:
            continue
        assert target.id is not None
        session.add(waiting(target.id, tenant, events[0], occasion, content, at))
        queued += 1
    return queued


def waiting(
    target_id: int, tenant: str, event: str, occasion: str, content: Mapping[str, Any], at: datetime
) -> Notification:
    """A notification that is to be delivered at once."""
    return Notification(
        id=f"msg_{uuid.uuid4().hex}",
        target_id=target_id,
        tenant=tenant,
        event=event,
        occasion=occasion,
        content=dict(content),
        state=State.WAITING,
        created_at=at,
        due_at=at,
    )


def told_of(tenant: str) -> Exists:
    """Whether anybody is told anything of a tenant; `tenant` is a column of the statement that asks."""
    return exists().where(col(NotifyTarget.tenant).in_((tenant, EVERY_TENANT)))


def _interested(session: Session, tenant: str, feed: str | None, events: Sequence[Event]) -> list[NotifyTarget]:
    statement = select(NotifyTarget).where(
        col(NotifyTarget.tenant).in_((tenant, EVERY_TENANT)),
        col(NotifyTarget.feed).in_(("", feed or "")),
        col(NotifyTarget.disabled_at).is_(None),
    )
    found = session.exec(statement.order_by(col(NotifyTarget.id))).all()
    return [target for target in found if not set(events).isdisjoint(target.events)]
