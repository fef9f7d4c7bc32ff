"""Buckets whose objects are drops, and what became of each object."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Column, Index, UniqueConstraint
from sqlmodel import Field

from ingester.domain.status import (
    AfterImport,
)
from ingester.store.ledger_tables import column
from ingester.store.ledger_tables.column import LedgerTable


class S3Inbox(LedgerTable, table=True):
    """One bucket and prefix whose objects are a tenant's drops. It names credentials and never holds any."""

    __tablename__: ClassVar[str] = "s3_inboxes"
    __table_args__ = (
        UniqueConstraint("tenant", "name"),
        # A number is never given twice: objects remember the inbox they came through.
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant: str = column.tenant()
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
    after: AfterImport = column.word(AfterImport, AfterImport.KEEP)
    move_prefix: str | None = None
    sqs_queue_url: str | None = None
    outbox_prefix: str | None = None
    poll_seconds: float = 30.0
    #: The last key that the pass under way has seen to; None between passes.
    position: str | None = None
    #: What keeps it from working, in words for the operator; None while it works.
    trouble: str | None = None
    trouble_since: datetime | None = column.moment(nullable=True)
    created_at: datetime = column.moment()


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
    last_modified: datetime = column.moment()
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    #: Of a bucket that keeps versions, once it was fetched.
    version_id: str | None = None
    #: Failures of the step that is due next, and when it is tried again.
    tries: int = 0
    due_at: datetime = column.moment()
    #: When there was nothing left to do with the object itself.
    settled_at: datetime | None = column.moment(nullable=True)
    #: The last status that was written back to the bucket.
    told: str | None = None
    #: When everything that is to be written back had been.
    reported_at: datetime | None = column.moment(nullable=True)
    created_at: datetime = column.moment()
