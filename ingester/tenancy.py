"""What a tenant finds when it logs in: its folders, and the docs of what it may send."""

from __future__ import annotations

from ingester.directory import DataDirectory
from ingester.outbox import docs
from ingester.routing import Router
from ingester.store.ledger_tables import Tenant


def prepare_tenant(directory: DataDirectory, router: Router, tenant: Tenant) -> None:
    """Make a tenant's folders and bring its docs up to date. Running it again changes nothing."""
    folders = directory.tenant(tenant.name)
    folders.create()
    docs.write(folders.docs, router.entities(tenant))
