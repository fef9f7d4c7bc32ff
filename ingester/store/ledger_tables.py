"""The ledger's tables: tenants, keys, feeds, drops, imports, attempts, alerts, removals. Rows only, no behaviour."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Column, Enum, ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ingester.domain.alert import AlertKind
from ingester.domain.status import (
    REMOVAL_GUARD_PERCENT,
    Action,
    CompleteOn,
    DuplicateHandling,
    Origin,
    Outcome,
    RepeatHandling,
    Status,
)
from ingester.store.database import UtcDateTime


class LedgerTable(SQLModel, registry=registry()):
    """Base of every table of the ledger, so that its metadata is the ledger's alone."""


def _moment(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime, nullable=nullable))


def _word(words: type[StrEnum], default: StrEnum | None = None, *, nullable: bool = False, added: bool = False) -> Any:
    """A column that holds one word of a closed vocabulary, as the word itself.

    `added`: by a later revision, so that the rows that were there already have the default.
    """
    kind = Enum(words, values_callable=lambda kinds: [kind.value for kind in kinds], native_enum=False, length=20)
    was = default.value if added and default is not None else None
    return Field(default=default, sa_column=Column(kind, nullable=nullable, server_default=was))


def _empty_erases() -> Any:
    return Field(default=False, sa_column_kwargs={"server_default": false()})


def _removal_guard_percent() -> Any:
    return Field(default=REMOVAL_GUARD_PERCENT, sa_column_kwargs={"server_default": str(REMOVAL_GUARD_PERCENT)})


def _repeat(default: RepeatHandling) -> Any:
    return _word(RepeatHandling, default, added=True)


def _json() -> Any:
    return Field(default_factory=list, sa_column=Column(JSON, nullable=False))


def _tenant() -> Any:
    return Field(sa_column=Column(ForeignKey("tenants.name"), nullable=False))


class Tenant(LedgerTable, table=True):
    """One customer."""

    __tablename__: ClassVar[str] = "tenants"
    name: str = Field(primary_key=True)
    #: Names of the catalogues whose entities it may send, in order.
    catalogues: list[str] = _json()
    #: IANA zone for datetimes without an offset.
    timezone: str = "UTC"
    created_at: datetime = _moment()
    #: When a worker last took something of it: who was served longest ago is served next.
    served_at: datetime | None = _moment(nullable=True)
    #: Set when the tenant was removed: it may no longer log in; its history stays.
    removed_at: datetime | None = _moment(nullable=True)
    #: How files in its inbox folder are known to be complete; None: as the settings say.
    complete_on: CompleteOn | None = _word(CompleteOn, nullable=True)
    #: For how many days what of it is kept, `{"archive": 30, "outbox": null}`; null is for ever, absent as set.
    retention: dict[str, int | None] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    #: Set while everything of it is being removed for good.
    purging_at: datetime | None = _moment(nullable=True)


class TenantKey(LedgerTable, table=True):
    """One SSH public key that may log in as a tenant."""

    __tablename__: ClassVar[str] = "tenant_keys"
    __table_args__ = (UniqueConstraint("tenant", "fingerprint"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = _tenant()
    #: `SHA256:…` as ssh-keygen prints it.
    fingerprint: str
    #: One line in OpenSSH form.
    public_key: str
    comment: str = ""
    created_at: datetime = _moment()


class Feed(LedgerTable, table=True):
    """One tenant's stream of files for one entity."""

    __tablename__: ClassVar[str] = "feeds"
    __table_args__ = (UniqueConstraint("tenant", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = _tenant()
    name: str
    catalogue: str
    entity: str
    #: Shell pattern over the file name, case-insensitive.
    pattern: str
    source: str | None = None
    action: Action = _word(Action, Action.MERGE, added=True)
    duplicate_handling: DuplicateHandling = _word(DuplicateHandling, DuplicateHandling.IGNORE_ALL)
    #: Whether an empty cell of a record that exists erases the stored value.
    empty_erases: bool = _empty_erases()
    #: The share of its source's stored records that an `overwrite` may remove unasked, in percent; 100 is no guard.
    removal_guard_percent: int = _removal_guard_percent()
    #: What becomes of a drop with the name and bytes of what was imported last, with its bytes alone, its name alone.
    on_repeated: RepeatHandling = _repeat(RepeatHandling.SKIP)
    on_renamed: RepeatHandling = _repeat(RepeatHandling.SKIP)
    on_revised: RepeatHandling = _repeat(RepeatHandling.IMPORT)
    #: How its files in an inbox folder are known to be complete; None: as its tenant says.
    complete_on: CompleteOn | None = _word(CompleteOn, nullable=True)
    created_at: datetime = _moment()


class Drop(LedgerTable, table=True):
    """One landed file. Its bytes never change; `location` is relative to the data directory."""

    __tablename__: ClassVar[str] = "drops"
    __table_args__ = (
        Index("drops_shown", "shown", "tenant", "shown_folder", "shown_name"),
        Index("drops_origin_ref", "origin_ref"),
    )
    id: str = Field(primary_key=True)
    tenant: str = _tenant()
    origin: Origin = _word(Origin)
    #: Where the customer put it, under the inbox; empty for the inbox itself.
    folder: str = ""
    name: str
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str
    #: For polled origins, what identifies this very version of the file, so that a crash cannot land it twice.
    origin_ref: str | None = None
    #: The connection that uploaded it, so that the file stays in its listings until it closes.
    session: str | None = None
    address: str | None = None
    location: str
    #: Whether the inbox still lists it, and where: a customer may rename what is already being imported.
    shown: bool = True
    shown_folder: str
    shown_name: str
    landed_at: datetime = _moment()
    #: When its bytes were removed, as the tenant's retention says.
    removed_at: datetime | None = _moment(nullable=True)


class Import(LedgerTable, table=True):
    """The job that processes one drop."""

    __tablename__: ClassVar[str] = "imports"
    __table_args__ = (
        UniqueConstraint("tenant", "short_id"),
        Index("imports_ended", "tenant", "completed_at"),
        Index("imports_status", "status", "tenant", "rank", "sequence"),
        Index("imports_series", "tenant", "catalogue", "entity", "source", "sequence"),
        # A sequence number is never given twice, even after old imports were purged.
        {"sqlite_autoincrement": True},
    )
    #: Landing order, the order within one (tenant, entity, source).
    sequence: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    #: Eight hex digits of the id, unique for the tenant: the customer's handle.
    short_id: str
    tenant: str = _tenant()
    drop_id: str = Field(foreign_key="drops.id", index=True)
    feed: str | None = None
    #: Both None when the drop could not be routed.
    catalogue: str | None = None
    entity: str | None = None
    source: str = "default"
    action: Action = _word(Action, Action.MERGE)
    dry_run: bool = False
    duplicate_handling: DuplicateHandling = _word(DuplicateHandling, DuplicateHandling.IGNORE_ALL)
    #: As the feed said when the file landed.
    empty_erases: bool = _empty_erases()
    removal_guard_percent: int = _removal_guard_percent()
    on_repeated: RepeatHandling = _repeat(RepeatHandling.SKIP)
    on_renamed: RepeatHandling = _repeat(RepeatHandling.SKIP)
    on_revised: RepeatHandling = _repeat(RepeatHandling.IMPORT)
    status: Status = _word(Status, Status.QUEUED)
    outcome: Outcome | None = _word(Outcome, nullable=True)
    #: What became of its rows, as the status file counts them; None until they were read.
    stats: dict[str, int | None] | None = Field(default=None, sa_column=Column(JSON))
    #: A notice code that says why it failed or is held, and the sentence that goes with it.
    reason: str | None = None
    message: str | None = None
    #: Parents before children: the entity's place in the topological order, and all entities it may refer to.
    rank: int = 0
    ancestors: list[str] = _json()
    #: Hold reasons that somebody has looked at and approved.
    approved: list[str] = _json()
    attempts: int = 0
    #: Not to be claimed earlier.
    due_at: datetime = _moment()
    worker: str | None = None
    lease_until: datetime | None = _moment(nullable=True)
    created_at: datetime = _moment()
    started_at: datetime | None = _moment(nullable=True)
    completed_at: datetime | None = _moment(nullable=True)


class Attempt(LedgerTable, table=True):
    """One execution of an import by one worker."""

    __tablename__: ClassVar[str] = "attempts"
    __table_args__ = (UniqueConstraint("import_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    import_id: str = Field(foreign_key="imports.id")
    number: int
    worker: str
    started_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)
    #: `completed`, `held`, `failed`, `retried`, `lost` with its worker, or `interrupted` with the whole service.
    result: str | None = None
    #: For operators; never shown to a customer.
    error: str | None = None


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
    tenant: str = _tenant()
    #: Empty where it is about no feed: a null would not be unique.
    feed: str = ""
    kind: AlertKind = _word(AlertKind)
    #: What tells it from others of its kind, for ever: a due moment, an import's id, a path with its size and time.
    subject: str
    message: str
    #: When a drop should have been there.
    due_at: datetime | None = _moment(nullable=True)
    #: The import that it is about.
    import_id: str | None = None
    raised_at: datetime = _moment()
    resolved_at: datetime | None = _moment(nullable=True)
    #: In a few words, what ended it.
    resolved_by: str | None = None


class LegalHold(LedgerTable, table=True):
    """While it is there, nothing of a tenant, or nothing of one of its imports, is removed."""

    __tablename__: ClassVar[str] = "legal_holds"
    __table_args__ = (UniqueConstraint("tenant", "import_id"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = _tenant()
    #: Empty where it is about everything of the tenant: a null would not be unique.
    import_id: str = ""
    reason: str = ""
    placed_at: datetime = _moment()


class Removal(LedgerTable, table=True):
    """One entry of the record of what was removed. It outlives its tenant, and so refers to nothing."""

    __tablename__: ClassVar[str] = "removals"
    __table_args__ = (
        Index("removals_tenant", "tenant", "id"),
        Index("removals_moment", "removed_at"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant: str
    #: `archive`, `outbox`, `quarantine`, `history`, `spool`, `inbox`, or `tenant` for a purge.
    place: str
    #: A file's name, or in words what it was.
    what: str
    import_id: str | None = None
    files: int = 0
    size: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    #: Why: `archive 30 days`, `purge`.
    policy: str
    removed_at: datetime = _moment()
