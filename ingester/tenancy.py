"""What a tenant finds when it logs in: its folders, its rules, and the docs of what it may send."""

from __future__ import annotations

from collections.abc import Iterable

from ingester.directory import DataDirectory
from ingester.outbox import docs
from ingester.routing import Router
from ingester.ruleset.model import RuleSet
from ingester.ruleset.overlay import load_overlays
from ingester.store.ledger_tables import Tenant


def prepare_tenant(directory: DataDirectory, router: Router, tenant: Tenant) -> None:
    """Make a tenant's folders and bring its docs up to date. Running it again changes nothing.

    RuleErrors lists the mistakes in the tenant's own rule files.
    """
    folders = directory.tenant(tenant.name)
    folders.create()
    docs.write(folders.docs, Router(rules_for(directory, router.rules, tenant.name)).entities(tenant))


def prepare_tenants(directory: DataDirectory, router: Router, tenants: Iterable[Tenant]) -> None:
    """As `prepare_tenant`, for many: what tenants without rules of their own read is made once for all of them."""
    shared: dict[tuple[str, ...], dict[str, str]] = {}
    for tenant in tenants:
        folders = directory.tenant(tenant.name)
        if folders.rules.is_dir():
            prepare_tenant(directory, router, tenant)
            continue
        catalogues = tuple(tenant.catalogues)
        if catalogues not in shared:
            shared[catalogues] = docs.pages(router.entities(tenant))
        folders.create()
        docs.replace(folders.docs, shared[catalogues])


def rules_for(directory: DataDirectory, rules: RuleSet, tenant: str) -> RuleSet:
    """The rules as one tenant's overlays narrow and extend them."""
    overlays = load_overlays(directory.tenant(tenant).rules, rules)
    return rules.extended(overlays) if overlays else rules
