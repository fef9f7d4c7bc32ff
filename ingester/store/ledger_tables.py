"""The ledger's tables. Rows only, no behaviour.

Tenants with their keys, feeds and S3 inboxes; drops, imports, attempts; alerts and notifications; legal holds and what
was removed; totals.
"""

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
    AfterImport,
    CompleteOn,
    DuplicateHandling,
    HoldHandling,
    Origin,
    Outcome,
    RepeatHandling,
    Status,
)
from ingester.domain.window import IMMEDIATE
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


def _json(*, added: bool = False) -> Any:
    """A list; one that was added by a later revision is NULL in rows that were there before."""
    return Field(default_factory=list, sa_column=Column(JSON, nullable=added))


def _none_of_it() -> Any:
    """A number, added by a later revision, that is 0 unless something else was said."""
    return Field(default=0, sa_column_kwargs={"server_default": "0"})


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
    #: How often it is served when others wait as well: twice as often as a tenant with half its weight.
    weight: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    #: How many of its imports may run at once; None is as many as there are workers.
    concurrency: int | None = None
    #: Of files that no feed takes; see `Feed.settle_seconds`.
    settle_seconds: int = _none_of_it()
    #: Grows with every import that was taken, by the inverse of the weight: whoever has least is served next.
    turn: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})
    #: When a worker last took something of it.
    served_at: datetime | None = _moment(nullable=True)
    #: Set while nothing of it may start; it can upload all the same.
    paused_at: datetime | None = _moment(nullable=True)
    #: How files in its inbox folder are known to be complete; None: as the settings say.
    complete_on: CompleteOn | None = _word(CompleteOn, nullable=True)
    #: For how many days what of it is kept, `{"archive": 30, "outbox": null}`; null is for ever, absent as set.
    retention: dict[str, int | None] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    #: Set while everything of it is being removed for good.
    purging_at: datetime | None = _moment(nullable=True)
    #: Set when the tenant was removed: it may no longer log in; its history stays.
    removed_at: datetime | None = _moment(nullable=True)


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
    #: What becomes of a held import when a newer drop of the feed waits behind it.
    on_hold: HoldHandling = _word(HoldHandling, HoldHandling.BLOCK, added=True)
    #: `immediate`, or the five fields of cron, in the tenant's timezone: when drops may start.
    schedule: str = Field(default=IMMEDIATE, sa_column_kwargs={"server_default": IMMEDIATE})
    #: How long such a window stays open.
    window_seconds: int = _none_of_it()
    #: Days on which nothing starts, as `ingester.domain.window` reads them.
    blackout: list[str] | None = _json(added=True)
    #: Starts only when nothing more has landed for the tenant for this long, so that a batch is ordered as a whole.
    settle_seconds: int = _none_of_it()
    #: Among what waits for a tenant, higher goes first; parents go before their children all the same.
    priority: int = _none_of_it()
    #: An attempt that takes longer is given up; None is what the service allows.
    time_limit_seconds: int | None = None
    #: Set while no import of it may start; files land all the same.
    paused_at: datetime | None = _moment(nullable=True)
    #: When its drops are due and how large they are, in the words of `ingester.expectation`.
    expects: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
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
        Index("imports_status", "status", "tenant", "rank", "sequence"),
        Index("imports_ended", "tenant", "completed_at"),
        Index("imports_feed", "tenant", "feed", "sequence"),
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
    on_hold: HoldHandling = _word(HoldHandling, HoldHandling.BLOCK, added=True)
    settle_seconds: int = _none_of_it()
    priority: int = _none_of_it()
    time_limit_seconds: int | None = None
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
    #: Set by a worker that is about to end because the attempt took longer than it may.
    overran_at: datetime | None = _moment(nullable=True)
    #: For operators; never shown to a customer.
    error: str | None = None


class Lease(LedgerTable, table=True):
    """What only one process may be at a time, such as the scheduler."""

    __tablename__: ClassVar[str] = "leases"
    name: str = Field(primary_key=True)
    holder: str
    until: datetime = _moment()


class Site(LedgerTable, table=True):
    """The one data directory that belongs to this ledger: its drops are nowhere else."""

    __tablename__: ClassVar[str] = "site"
    #: As in the directory's own file `id`.
    id: str = Field(primary_key=True)
    created_at: datetime = _moment()


class S3Inbox(LedgerTable, table=True):
    """One bucket and prefix whose objects are a tenant's drops. It names credentials and never holds any."""

    __tablename__: ClassVar[str] = "s3_inboxes"
    __table_args__ = (
        UniqueConstraint("tenant", "name"),
        # A number is never given twice: objects remember the inbox they came through.
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = _tenant()
    name: str
    bucket: str
    #: Empty, or ends in a slash.
    prefix: str = ""
    #: Of a server that speaks S3; None for Amazon's.
    endpoint_url: str | None = None
    region: str | None = None
    #: `auto`, `path` or `virtual`: whether the bucket is part of the path or of the host name.
    addressing: str = "auto"
    #: Where credentials come from, if not from boto3's own chain.
    profile: str | None = None
    access_key_variable: str | None = None
    secret_key_variable: str | None = None
    credentials_file: str | None = None
    #: The folder of the inbox that it stands for; empty for the inbox itself.
    folder: str = ""
    after: AfterImport = _word(AfterImport, AfterImport.KEEP)
    move_prefix: str | None = None
    sqs_queue_url: str | None = None
    outbox_prefix: str | None = None
    poll_seconds: float = 30.0
    #: The last key that the pass under way has seen to; None between passes.
    position: str | None = None
    #: What keeps it from working, in words for the operator; None while it works.
    trouble: str | None = None
    trouble_since: datetime | None = _moment(nullable=True)
    created_at: datetime = _moment()


class S3Object(LedgerTable, table=True):
    """One upload to a bucket that was seen by an inbox, from before it is fetched; its drop has the same reference."""

    __tablename__: ClassVar[str] = "s3_objects"
    __table_args__ = (
        Index("s3_objects_settled", "settled_at", "inbox_id"),
        Index("s3_objects_reported", "reported_at", "inbox_id"),
        Index("s3_objects_key", "inbox_id", "key"),
    )
    #: `Drop.origin_ref`: tells this upload from every other, of the same key too.
    ref: str = Field(primary_key=True)
    inbox_id: int
    key: str
    etag: str
    last_modified: datetime = _moment()
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    #: Of a bucket that keeps versions, once it was fetched.
    version_id: str | None = None
    #: Failures of the step that is due next, and when it is tried again.
    tries: int = 0
    due_at: datetime = _moment()
    #: When there was nothing left to do with the object itself.
    settled_at: datetime | None = _moment(nullable=True)
    #: The last status that was written back to the bucket.
    told: str | None = None
    #: When everything that is to be written back had been.
    reported_at: datetime | None = _moment(nullable=True)
    created_at: datetime = _moment()


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


class Expectation(LedgerTable, table=True):
    """How far a feed's due moments have been judged. Made when the feed is first seen to expect something."""

    __tablename__: ClassVar[str] = "expectations"
    tenant: str = Field(sa_column=Column(ForeignKey("tenants.name"), primary_key=True))
    feed: str = Field(primary_key=True)
    #: What made the due moments, as one text: where it changes, judging begins anew.
    timetable: str
    #: Due moments up to this one are judged; the first is after it.
    settled_at: datetime = _moment()
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
    secrets: list[str] = _json()
    #: The events it is told.
    events: list[str] = _json()
    #: `operator` or `customer`: who reads it.
    audience: str = "operator"
    created_at: datetime = _moment()
    #: Set when it said that it wants nothing any more, or an operator did.
    disabled_at: datetime | None = _moment(nullable=True)
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
    created_at: datetime = _moment()
    #: Not to be tried earlier; while somebody is at it, when it is taken for dead.
    due_at: datetime = _moment()
    attempted_at: datetime | None = _moment(nullable=True)
    ended_at: datetime | None = _moment(nullable=True)
    #: Why the last attempt failed; never a secret.
    error: str | None = None


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
    """One entry of the record of what was removed or decided. It outlives its tenant, and so refers to nothing."""

    __tablename__: ClassVar[str] = "removals"
    __table_args__ = (
        Index("removals_tenant", "tenant", "id"),
        Index("removals_moment", "removed_at"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant: str
    #: `archive`, `outbox`, `quarantine`, `history`, `spool`, `inbox`, or `tenant` for a purge; of what was
    #: decided `hold` or `periods`.
    place: str
    #: A file's name, or in words what it was.
    what: str
    import_id: str | None = None
    files: int = 0
    size: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    #: Why: `archive 30 days`, `purge`.
    policy: str
    removed_at: datetime = _moment()


class Total(LedgerTable, table=True):
    """One running total; `ingester.store.totals` says which there are. It only grows, until its tenant is purged."""

    __tablename__: ClassVar[str] = "totals"
    __table_args__ = ({"sqlite_with_rowid": False},)
    #: No foreign key: empty for what is counted for all tenants together.
    tenant: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    label: str = Field(primary_key=True)
    value: int = Field(sa_column=Column(BigInteger, nullable=False))
