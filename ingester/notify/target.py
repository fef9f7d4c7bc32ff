"""Targets in the ledger: who is told what, declared by an operator for a tenant, one feed of it, or every tenant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from ingester.domain.errors import UsageError
from ingester.notify import secret
from ingester.notify.event import Event
from ingester.notify.notification import EVERY_TENANT, State
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Feed, Notification, NotifyTarget, Tenant

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")


class Audience(StrEnum):
    """Who reads what a target is told: it decides the words, not the facts."""

    OPERATOR = "operator"
    CUSTOMER = "customer"


class Targets:
    """What the ledger knows of targets."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(
        self,
        tenant: str,
        name: str,
        address: str,
        events: Sequence[Event],
        *,
        feed: str | None = None,
        secrets: Sequence[str] = (),
        audience: Audience = Audience.OPERATOR,
    ) -> NotifyTarget:
        """Add a target of a tenant, or of every one (`*`). The address was checked by `send.check`."""
        if not _NAME.match(name):
            raise UsageError(f"'{name[:100]}' is not a name", fix="Use letters, digits, dots, - and _.")
        target = NotifyTarget(
            tenant=tenant,
            name=name,
            feed=feed or "",
            address=address,
            secrets=list(secrets),
            events=[event.value for event in events],
            audience=audience,
            created_at=now(),
        )
        with self._ledger.writing() as session:
            if tenant != EVERY_TENANT:
                known = session.get(Tenant, tenant)
                if known is None or known.removed_at is not None:
                    raise UsageError(f"there is no tenant '{tenant}'", fix="See `ingester tenant list`.")
            if feed is not None and (
                tenant == EVERY_TENANT
                or session.exec(select(Feed.id).where(Feed.tenant == tenant, Feed.name == feed)).first() is None
            ):
                raise UsageError(f"tenant '{tenant}' has no feed '{feed}'", fix="See `ingester feed list`.")
            if _find(session, tenant, name) is not None:
                raise UsageError(f"'{tenant}' has a target '{name}' already", fix="Remove it first.")
            session.add(target)
        return target

    def all(self, tenant: str | None = None) -> Sequence[NotifyTarget]:
        """Every target, or those that are told about one tenant."""
        statement = select(NotifyTarget).order_by(NotifyTarget.tenant, NotifyTarget.name)
        if tenant is not None:
            statement = statement.where(col(NotifyTarget.tenant).in_((tenant, EVERY_TENANT)))
        with self._ledger.reading() as session:
            return session.exec(statement).all()

    def get(self, tenant: str, name: str) -> NotifyTarget:
        """One target; UsageError if there is none of that name."""
        with self._ledger.reading() as session:
            return _known(session, tenant, name)

    def remove(self, tenant: str, name: str) -> None:
        """Remove a target, and with it what it was and would have been told."""
        with self._ledger.writing() as session:
            session.delete(_known(session, tenant, name))

    def enable(self, tenant: str, name: str) -> None:
        """Tell a target again that was disabled since it answered that it wants no more."""
        with self._ledger.writing() as session:
            target = _known(session, tenant, name)
            target.disabled_at = target.disabled_reason = None
            session.add(target)

    def standing(self, target: NotifyTarget) -> tuple[dict[str, int], str | None]:
        """How many of a target's notifications there are in each state, and why the last attempt failed, if it did."""
        counted = select(Notification.state, func.count()).where(Notification.target_id == target.id)
        last = (
            select(Notification.error)
            .where(Notification.target_id == target.id, col(Notification.attempted_at).is_not(None))
            .order_by(col(Notification.attempted_at).desc())
            .limit(1)
        )
        with self._ledger.reading() as session:
            counts = dict(session.exec(counted.group_by(Notification.state)).all())
            return {state.value: counts.get(state, 0) for state in State}, session.exec(last).first()

    def told(self, tenant: str | None, state: State | None, limit: int) -> Sequence[tuple[Notification, NotifyTarget]]:
        """The newest notifications, newest first, each with its target."""
        statement = select(Notification, NotifyTarget).join(
            NotifyTarget, col(NotifyTarget.id) == col(Notification.target_id)
        )
        if tenant is not None:
            statement = statement.where(Notification.tenant == tenant)
        if state is not None:
            statement = statement.where(Notification.state == state)
        with self._ledger.reading() as session:
            return list(session.exec(statement.order_by(col(Notification.created_at).desc()).limit(limit)))


def disable(session: Session, target_id: int, reason: str) -> None:
    """Tell a target nothing more; what waits for it is given up."""
    at = now()
    values = {"disabled_at": at, "disabled_reason": reason}
    session.exec(update(NotifyTarget).where(col(NotifyTarget.id) == target_id).values(**values))
    waiting = update(Notification).where(
        col(Notification.target_id) == target_id, col(Notification.state) == State.WAITING
    )
    session.exec(waiting.values(state=State.GIVEN_UP, ended_at=at, error=reason))


def shown(target: NotifyTarget) -> str:
    """The address as it may be printed."""
    return secret.masked(target.address)


def _find(session: Session, tenant: str, name: str) -> NotifyTarget | None:
    return session.exec(select(NotifyTarget).where(NotifyTarget.tenant == tenant, NotifyTarget.name == name)).first()


def _known(session: Session, tenant: str, name: str) -> NotifyTarget:
    target = _find(session, tenant, name)
    if target is None:
        raise UsageError(f"'{tenant}' has no target '{name}'", fix="See `ingester notify list`.")
    return target
