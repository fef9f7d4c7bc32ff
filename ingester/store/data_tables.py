"""The service tables that live beside the entity tables, so that one transaction covers both. Rows only."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import JSON, Column
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ingester.store.database import UtcDateTime


class DataTable(SQLModel, registry=registry()):
    """Base of the service tables in the data database, so that its metadata is theirs alone."""


class ImportOutcome(DataTable, table=True):
    """The applied marker: it exists exactly when the import's rows are committed."""

    __tablename__: ClassVar[str] = "import_outcomes"
    import_id: str = Field(primary_key=True)
    tenant: str
    outcome: str
    #: Workspace folder (relative to the data directory) with the finished outbox files, named as they will appear.
    workspace: str
    #: Outbox names in the order they are to appear; the status file is last.
    files: list[str] = Field(sa_column=Column(JSON, nullable=False))
    #: The counts of the status file.
    stats: dict[str, int | None] | None = Field(default=None, sa_column=Column(JSON))
    #: How long each phase took that had something to do; counted when the ledger hears of the outcome.
    phase_seconds: dict[str, float] | None = Field(default=None, sa_column=Column(JSON))
    publish_pending: bool = Field(default=True, index=True)
    committed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
