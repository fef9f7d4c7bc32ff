"""What landed and what became of it: drops, imports, attempts, and what is counted of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Column, Index, UniqueConstraint
from sqlmodel import Field

from ingester.domain.status import (
    Action,
    DuplicateHandling,
    HoldHandling,
    Origin,
    Outcome,
    RepeatHandling,
    Status,
)
from ingester.store.ledger_tables import column
from ingester.store.ledger_tables.column import LedgerTable


class Drop(LedgerTable, table=True):
    """One landed file. Its bytes never change; `location` is relative to the data directory."""

    __tablename__: ClassVar[str] = "drops"
    __table_args__ = (
        Index("drops_shown", "shown", "tenant", "shown_folder", "shown_name"),
        Index("drops_origin_ref", "origin_ref"),
        Index("drops_stem", "tenant", "stem"),
    )
    id: str = Field(primary_key=True)
    tenant: str = column.tenant()
    origin: Origin = column.word(Origin)
    #: Where the customer put it, under the inbox; empty for the inbox itself.
    folder: str = ""
    name: str
    #: Of a file that came in an archive, its own name; `name` begins with the archive's.
    member: str | None = None
    #: The name without its endings, folded, by which its companions find it; None where it has none.
    stem: str | None = None
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
    landed_at: datetime = column.moment()
    #: When its bytes were removed, as the tenant's retention says.
    removed_at: datetime | None = column.moment(nullable=True)


#: What a feed, a folder or a name says of an import; `ingester.routing` says it, and what an archive brings has it too.
ROUTED = (
    *("feed", "source", "action", "dry_run", "duplicate_handling", "empty_erases", "removal_guard_percent"),
    *("on_repeated", "on_renamed", "on_revised", "on_hold", "settle_seconds", "priority", "time_limit_seconds"),
    *("reads", "catalogue", "entity", "rank", "ancestors"),
)


class Import(LedgerTable, table=True):
    """The job that processes one drop."""

    __tablename__: ClassVar[str] = "imports"
    __table_args__ = (
        UniqueConstraint("tenant", "short_id"),
        Index("imports_status", "status", "tenant", "rank", "sequence"),
        Index("imports_ended", "tenant", "completed_at"),
        Index("imports_feed", "tenant", "feed", "sequence"),
        Index("imports_series", "tenant", "catalogue", "entity", "source", "position", "sequence"),
        Index("imports_run", "run_id"),
        # A sequence number is never given twice, even after old imports were purged.
        {"sqlite_autoincrement": True},
    )
    #: Landing order, the order within one (tenant, entity, source), unless `position` says otherwise.
    sequence: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    #: Eight hex digits of the id, unique for the tenant: the customer's handle.
    short_id: str
    tenant: str = column.tenant()
    drop_id: str = Field(foreign_key="drops.id", index=True)
    #: The import of the archive that it came in; of an archive whose files are imports of their own, its own id.
    run_id: str | None = None
    #: Of what came in an archive, the archive's sequence number: it takes the archive's place in the order.
    position: int | None = None
    #: An archive that nobody has looked into: what it holds may be anything.
    opens: bool = column.no()
    feed: str | None = None
    #: Both None when the drop could not be routed.
    catalogue: str | None = None
    entity: str | None = None
    source: str = "default"
    action: Action = column.word(Action, Action.MERGE)
    dry_run: bool = False
    duplicate_handling: DuplicateHandling = column.word(DuplicateHandling, DuplicateHandling.IGNORE_ALL)
    #: As the feed said when the file landed.
    empty_erases: bool = column.empty_erases()
    removal_guard_percent: int = column.removal_guard_percent()
    on_repeated: RepeatHandling = column.repeat(RepeatHandling.SKIP)
    on_renamed: RepeatHandling = column.repeat(RepeatHandling.SKIP)
    on_revised: RepeatHandling = column.repeat(RepeatHandling.IMPORT)
    on_hold: HoldHandling = column.word(HoldHandling, HoldHandling.BLOCK, added=True)
    settle_seconds: int = column.none_of_it()
    priority: int = column.none_of_it()
    time_limit_seconds: int | None = None
    reads: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    #: What its feed wants beside the file and has not come yet, in the words of `ingester.domain.companion`.
    awaits: list[str] | None = column.json(added=True)
    #: While it waits for these: when it would start with them. `due_at` is when nobody waits any longer.
    starts_at: datetime | None = column.moment(nullable=True)
    #: Whether it has companions.
    accompanied: bool = column.no()
    status: Status = column.word(Status, Status.QUEUED)
    outcome: Outcome | None = column.word(Outcome, nullable=True)
    #: What became of its rows, as the status file counts them; None until they were read.
    stats: dict[str, int | None] | None = Field(default=None, sa_column=Column(JSON))
    #: A notice code that says why it failed or is held, and the sentence that goes with it.
    reason: str | None = None
    message: str | None = None
    #: Parents before children: the entity's place in the topological order, and all entities it may refer to.
    rank: int = 0
    ancestors: list[str] = column.json()
    #: Hold reasons that somebody has looked at and approved.
    approved: list[str] = column.json()
    attempts: int = 0
    #: Not to be claimed earlier.
    due_at: datetime = column.moment()
    worker: str | None = None
    lease_until: datetime | None = column.moment(nullable=True)
    created_at: datetime = column.moment()
    started_at: datetime | None = column.moment(nullable=True)
    completed_at: datetime | None = column.moment(nullable=True)

    @property
    def is_set(self) -> bool:
        """Whether it is an archive whose files are imports of their own. While they run, nobody works on it."""
        return self.run_id == self.id

    @property
    def is_member(self) -> bool:
        """Whether its file came in an archive, with others."""
        return self.run_id is not None and self.run_id != self.id

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the order of its tenant's files."""
        sequence = self.sequence or 0
        return (sequence if self.position is None else self.position, sequence)


class Attempt(LedgerTable, table=True):
    """One execution of an import by one worker."""

    __tablename__: ClassVar[str] = "attempts"
    __table_args__ = (UniqueConstraint("import_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    import_id: str = Field(foreign_key="imports.id")
    number: int
    worker: str
    started_at: datetime = column.moment()
    ended_at: datetime | None = column.moment(nullable=True)
    #: `completed`, `opened` of an archive, `held`, `failed`, `retried`, `lost` with its worker, or `interrupted` with
    #: the whole service.
    result: str | None = None
    #: Set by a worker that is about to end because the attempt took longer than it may.
    overran_at: datetime | None = column.moment(nullable=True)
    #: For operators; never shown to a customer.
    error: str | None = None


class Total(LedgerTable, table=True):
    """One running total; `ingester.store.totals` says which there are. It only grows, until its tenant is purged."""

    __tablename__: ClassVar[str] = "totals"
    __table_args__ = ({"sqlite_with_rowid": False},)
    #: No foreign key: empty for what is counted for all tenants together.
    tenant: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    label: str = Field(primary_key=True)
    value: int = Field(sa_column=Column(BigInteger, nullable=False))
