"""The ledger's tables. Rows only, no behaviour; whoever imports one has all of them in the schema."""

from __future__ import annotations

from ingester.store.ledger_tables.alert import Alert, Expectation, Notification, NotifyTarget
from ingester.store.ledger_tables.column import LedgerTable
from ingester.store.ledger_tables.companion import Companion
from ingester.store.ledger_tables.drop import ROUTED, Attempt, Drop, Import, Total
from ingester.store.ledger_tables.keeping import LegalHold, Removal
from ingester.store.ledger_tables.process import Lease, Site
from ingester.store.ledger_tables.s3 import S3Inbox, S3Object
from ingester.store.ledger_tables.tenant import Feed, Tenant, TenantKey

__all__ = [
    "ROUTED",
    "Alert",
    "Attempt",
    "Companion",
    "Drop",
    "Expectation",
    "Feed",
    "Import",
    "Lease",
    "LedgerTable",
    "LegalHold",
    "Notification",
    "NotifyTarget",
    "Removal",
    "S3Inbox",
    "S3Object",
    "Site",
    "Tenant",
    "TenantKey",
    "Total",
]
