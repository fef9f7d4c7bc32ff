"""Customers: their SSH keys, and the feeds that say what their files are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field

from ingester.domain.status import (
    Action,
    CompleteOn,
    DuplicateHandling,
    HoldHandling,
    RepeatHandling,
)
from ingester.domain.window import IMMEDIATE
from ingester.store.ledger_tables import column
from ingester.store.ledger_tables.column import LedgerTable


class Tenant(LedgerTable, table=True):
    """One customer."""

    __tablename__: ClassVar[str] = "tenants"
    name: str = Field(primary_key=True)
    #: Names of the catalogues whose entities it may send, in order.
    catalogues: list[str] = column.json()
    #: IANA zone for datetimes without an offset.
    timezone: str = "UTC"
    created_at: datetime = column.moment()
    #: How often it is served when others wait as well: twice as often as a tenant with half its weight.
    weight: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    #: How many of its imports may run at once; None is as many as there are workers.
    concurrency: int | None = None
    #: Of files that no feed takes; see `Feed.settle_seconds`.
    settle_seconds: int = column.none_of_it()
    #: Grows with every import that was taken, by the inverse of the weight: whoever has least is served next.
    turn: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})
    #: When a worker last took something of it.
    served_at: datetime | None = column.moment(nullable=True)
    #: Set while nothing of it may start; it can upload all the same.
    paused_at: datetime | None = column.moment(nullable=True)
    #: How files in its inbox folder are known to be complete; None: as the settings say.
    complete_on: CompleteOn | None = column.word(CompleteOn, nullable=True)
    #: For how many days what of it is kept, `{"archive": 30, "outbox": null}`; null is for ever, absent as set.
    retention: dict[str, int | None] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    #: Set while everything of it is being removed for good.
    purging_at: datetime | None = column.moment(nullable=True)
    #: Set when the tenant was removed: it may no longer log in; its history stays.
    removed_at: datetime | None = column.moment(nullable=True)


class TenantKey(LedgerTable, table=True):
    """One SSH public key that may log in as a tenant."""

    __tablename__: ClassVar[str] = "tenant_keys"
    __table_args__ = (UniqueConstraint("tenant", "fingerprint"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = column.tenant()
    #: `SHA256:…` as ssh-keygen prints it.
    fingerprint: str
    #: One line in OpenSSH form.
    public_key: str
    comment: str = ""
    created_at: datetime = column.moment()


class Feed(LedgerTable, table=True):
    """One tenant's stream of files for one entity."""

    __tablename__: ClassVar[str] = "feeds"
    __table_args__ = (UniqueConstraint("tenant", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = column.tenant()
    name: str
    catalogue: str
    entity: str
    #: Shell pattern over the file name, case-insensitive.
    pattern: str
    source: str | None = None
    action: Action = column.word(Action, Action.MERGE, added=True)
    duplicate_handling: DuplicateHandling = column.word(DuplicateHandling, DuplicateHandling.IGNORE_ALL)
    #: Whether an empty cell of a record that exists erases the stored value.
    empty_erases: bool = column.empty_erases()
    #: The share of its source's stored records that an `overwrite` may remove unasked, in percent; 100 is no guard.
    removal_guard_percent: int = column.removal_guard_percent()
    #: What becomes of a drop with the name and bytes of what was imported last, with its bytes alone, its name alone.
    on_repeated: RepeatHandling = column.repeat(RepeatHandling.SKIP)
    on_renamed: RepeatHandling = column.repeat(RepeatHandling.SKIP)
    on_revised: RepeatHandling = column.repeat(RepeatHandling.IMPORT)
    #: What becomes of a held import when a newer drop of the feed waits behind it.
    on_hold: HoldHandling = column.word(HoldHandling, HoldHandling.BLOCK, added=True)
    #: `immediate`, or the five fields of cron, in the tenant's timezone: when drops may start.
    schedule: str = Field(default=IMMEDIATE, sa_column_kwargs={"server_default": IMMEDIATE})
    #: How long such a window stays open.
    window_seconds: int = column.none_of_it()
    #: Days on which nothing starts, as `ingester.domain.window` reads them.
    blackout: list[str] | None = column.json(added=True)
    #: Starts only when nothing more has landed for the tenant for this long, so that a batch is ordered as a whole.
    settle_seconds: int = column.none_of_it()
    #: Among what waits for a tenant, higher goes first; parents go before their children all the same.
    priority: int = column.none_of_it()
    #: An attempt that takes longer is given up; None is what the service allows.
    time_limit_seconds: int | None = None
    #: Set while no import of it may start; files land all the same.
    paused_at: datetime | None = column.moment(nullable=True)
    #: When its drops are due and how large they are, in the words of `ingester.expectation`.
    expects: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    #: How its files are read, in the words of `ingester.domain.reads`; None: as each file shows.
    reads: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    #: How its files in an inbox folder are known to be complete; None: as its tenant says.
    complete_on: CompleteOn | None = column.word(CompleteOn, nullable=True)
    created_at: datetime = column.moment()
