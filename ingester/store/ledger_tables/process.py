"""Which processes and machines share a ledger."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlmodel import Field

from ingester.store.ledger_tables import column
from ingester.store.ledger_tables.column import LedgerTable


class Lease(LedgerTable, table=True):
    """What only one process may be at a time, such as the scheduler."""

    __tablename__: ClassVar[str] = "leases"
    name: str = Field(primary_key=True)
    holder: str
    until: datetime = column.moment()


class Site(LedgerTable, table=True):
    """The one data directory that belongs to this ledger: its drops are nowhere else."""

    __tablename__: ClassVar[str] = "site"
    #: As in the directory's own file `id`.
    id: str = Field(primary_key=True)
    created_at: datetime = column.moment()
