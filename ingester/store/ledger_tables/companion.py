"""Done-markers, checksums and control files that landed, and the import that each is about."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Column, Index, LargeBinary
from sqlmodel import Field

from ingester.domain.companion import CompanionKind
from ingester.domain.status import Origin
from ingester.store.ledger_tables import column
from ingester.store.ledger_tables.column import LedgerTable


class Companion(LedgerTable, table=True):
    """One small file that says something of another one. Its bytes are here and nowhere else."""

    __tablename__: ClassVar[str] = "companions"
    __table_args__ = (
        Index("companions_of", "tenant", "of"),
        # Few of all that there ever were.
        Index("companions_shown", "shown", "tenant", "folder", "name"),
        Index("companions_origin_ref", "origin_ref"),
        # The newest is the one that counts.
        {"sqlite_autoincrement": True},
    )
    number: int | None = Field(default=None, primary_key=True)
    #: What its uploader was told.
    id: str = Field(unique=True)
    tenant: str = column.tenant()
    origin: Origin = column.word(Origin)
    folder: str = ""
    name: str
    kind: CompanionKind = column.word(CompanionKind)
    #: What its name says its file is called, folded.
    of: str
    size: int
    sha256: str
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    #: As `Drop.origin_ref`.
    origin_ref: str | None = None
    session: str | None = None
    #: Whether the inbox lists it for as long as that session lasts.
    shown: bool = True
    landed_at: datetime = column.moment()
    #: The import that it is about, once there is one; it is kept for as long as that.
    import_id: str | None = Field(default=None, foreign_key="imports.id", index=True)
