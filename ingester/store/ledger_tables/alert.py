"""What somebody should know: expectations and alerts, who is told, and what they were told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Column, ForeignKey, Index, UniqueConstraint
from sqlmodel import Field

from ingester.domain.alert import AlertKind
from ingester.store.ledger_tables import column
from ingester.store.ledger_tables.column import LedgerTable


class Alert(LedgerTable, table=True):
    """Something that somebody should look at, raised once for its subject."""

    __tablename__: ClassVar[str] = "alerts"
    __table_args__ = (
        UniqueConstraint("tenant", "feed", "kind", "subject"),
        Index("alerts_open", "resolved_at", "tenant", "feed"),
        # A number is never given twice, even after old alerts were purged.
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = column.tenant()
    #: Empty where it is about no feed: a null would not be unique.
    feed: str = ""
    kind: AlertKind = column.word(AlertKind)
    #: What tells it from others of its kind, for ever: a due moment, an import's id, a path with its size and time.
    subject: str
    message: str
    #: When a drop should have been there.
    due_at: datetime | None = column.moment(nullable=True)
    #: The import that it is about.
    import_id: str | None = None
    raised_at: datetime = column.moment()
    resolved_at: datetime | None = column.moment(nullable=True)
    #: In a few words, what ended it.
    resolved_by: str | None = None


class Expectation(LedgerTable, table=True):
    """How far a feed's due moments have been judged. Made when the feed is first seen to expect something."""

    __tablename__: ClassVar[str] = "expectations"
    tenant: str = Field(sa_column=Column(ForeignKey("tenants.name"), primary_key=True))
    feed: str = Field(primary_key=True)
    #: What made the due moments, as one text: where it changes, judging begins anew.
    timetable: str
    #: Due moments up to this one are judged; the first is after it.
    settled_at: datetime = column.moment()
    #: The sequence number of the import that met the last of them; it does not meet another.
    taken: int = 0


class NotifyTarget(LedgerTable, table=True):
    """Where notifications go."""

    __tablename__: ClassVar[str] = "notify_targets"
    __table_args__ = (UniqueConstraint("tenant", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    #: `*` for every tenant, which is why it refers to none.
    tenant: str
    name: str
    #: Empty for every feed, and for what belongs to none.
    feed: str = ""
    #: The address, or where it is read from when it is a secret: `env:NAME`, `file:PATH`.
    address: str
    #: Where the keys that sign a webhook are read from, the newest first.
    secrets: list[str] = column.json()
    #: The events it is told.
    events: list[str] = column.json()
    #: `operator` or `customer`: who reads it.
    audience: str = "operator"
    created_at: datetime = column.moment()
    #: Set when it said that it wants nothing any more, or an operator did.
    disabled_at: datetime | None = column.moment(nullable=True)
    disabled_reason: str | None = None


class Notification(LedgerTable, table=True):
    """One event for one target, until it is delivered or given up."""

    __tablename__: ClassVar[str] = "notifications"
    __table_args__ = (
        UniqueConstraint("target_id", "occasion"),
        Index("notifications_due", "state", "due_at"),
        Index("notifications_sent", "target_id", "attempted_at"),
    )
    #: The same at every attempt, so that a receiver can tell a repetition.
    id: str = Field(primary_key=True)
    target_id: int = Field(sa_column=Column(ForeignKey("notify_targets.id", ondelete="CASCADE"), nullable=False))
    tenant: str
    event: str
    #: What it tells of: an import's end, an alert's beginning. Told once to each target.
    occasion: str
    #: The facts, as a webhook sends them.
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    #: `waiting`, `sent`, `folded` into a digest, or `given_up`.
    state: str = "waiting"
    #: The digest that tells of it.
    digest_id: str | None = None
    attempts: int = 0
    created_at: datetime = column.moment()
    #: Not to be tried earlier; while somebody is at it, when it is taken for dead.
    due_at: datetime = column.moment()
    attempted_at: datetime | None = column.moment(nullable=True)
    ended_at: datetime | None = column.moment(nullable=True)
    #: Why the last attempt failed; never a secret.
    error: str | None = None
