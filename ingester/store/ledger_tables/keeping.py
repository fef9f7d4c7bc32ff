"""Legal holds, and the record of what was removed or decided."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Column, Index, UniqueConstraint
from sqlmodel import Field

from ingester.store.ledger_tables import column
from ingester.store.ledger_tables.column import LedgerTable


class LegalHold(LedgerTable, table=True):
    """While it is there, nothing of a tenant, or nothing of one of its imports, is removed."""

    __tablename__: ClassVar[str] = "legal_holds"
    __table_args__ = (UniqueConstraint("tenant", "import_id"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = column.tenant()
    #: Empty where it is about everything of the tenant: a null would not be unique.
    import_id: str = ""
    reason: str = ""
    placed_at: datetime = column.moment()


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
    removed_at: datetime = column.moment()
