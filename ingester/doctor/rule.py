"""Checks of rule files and of what refers to them."""

from __future__ import annotations

from collections.abc import Iterator

from ingester.doctor.finding import Finding, ok, wrong
from ingester.doctor.subject import Subject
from ingester.ruleset.mistake import RuleErrors
from ingester.store.tenant import Tenants
from ingester.tenancy import rules_for


def shipped_and_added(subject: Subject) -> Iterator[Finding]:
    """Whether every rule file can be read."""
    found = subject.read_rules
    if isinstance(found, RuleErrors):
        folders = "".join(f" {folder}" for folder in subject.settings.rules_dirs)
        yield _mistakes(found, f"`ingester rules check{folders}` lists them with file and line.")
    else:
        yield ok(f"{sum(1 for _ in found)} types in {len(found.catalogues)} catalogues")


def tenants_own(subject: Subject) -> Iterator[Finding]:
    """Whether every tenant's own rule files can be read."""
    if subject.ledger is None or subject.rules is None:
        return
    broken = False
    for tenant in Tenants(subject.ledger).all():
        try:
            rules_for(subject.directory, subject.rules, tenant.name)
        except RuleErrors as errors:
            broken = True
            yield _mistakes(errors, f"Correct the files in {subject.directory.tenant(tenant.name).rules}.")
    if not broken:
        yield ok("tenants' own rule files can be read")


def feeds(subject: Subject) -> Iterator[Finding]:
    """Whether tenants and feeds name catalogues and entities that there are."""
    if subject.ledger is None or subject.rules is None:
        return
    tenants, known, count = Tenants(subject.ledger), subject.rules.catalogues, 0
    lost = False
    for tenant in tenants.all():
        for catalogue in tenant.catalogues:
            if catalogue not in known:
                lost = True
                yield wrong(
                    f"tenant {tenant.name} has a catalogue {catalogue}, which does not exist",
                    f"Name its folder in INGESTER_RULES_DIRS; there are: {', '.join(known)}.",
                )
        for feed in tenants.feeds(tenant.name):
            count += 1
            if feed.catalogue not in known or feed.entity not in known[feed.catalogue].entities:
                lost = True
                what = f"{feed.catalogue}.{feed.entity}"
                yield wrong(
                    f"feed {feed.name} of tenant {tenant.name} is for {what}, which does not exist",
                    f"Bring its rule file back, or `ingester feed remove {tenant.name} {feed.name}`.",
                )
    if not lost:
        yield ok(f"{count} feeds are for types that there are")


def _mistakes(errors: RuleErrors, fix: str) -> Finding:
    return wrong(f"{errors.message}: {errors.mistakes[0]}", fix)
