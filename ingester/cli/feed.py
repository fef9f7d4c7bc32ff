"""`ingester feed …`: streams of files that their names alone do not explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ingester.cli.options import DataDir, Json, opened, print_json
from ingester.domain.errors import UsageError
from ingester.domain.status import DuplicateHandling
from ingester.ruleset.shipped import in_force
from ingester.store.database import now
from ingester.store.ledger_tables import Feed, Tenant
from ingester.store.tenant import Tenants

app = typer.Typer(no_args_is_help=True, help="Say which files are which entity, where names do not.")

_Tenant = Annotated[str, typer.Argument(metavar="T", help="The tenant.")]


@app.command(epilog="Example: `ingester feed add acme crm --entity customer --pattern 'export_*.csv' --source crm`")
def add(
    tenant: _Tenant,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for the feed.")],
    entity: Annotated[str, typer.Option(help="The entity its files hold, as `customer` or `field_service.customer`.")],
    pattern: Annotated[str, typer.Option(help="File names that belong to it, as 'export_*.csv'; in any case.")],
    source: Annotated[str | None, typer.Option(help="Where its records come from. Default: default")] = None,
    duplicates: Annotated[
        DuplicateHandling, typer.Option(help="Which of several rows with one key is kept.")
    ] = DuplicateHandling.IGNORE_ALL,
    data_dir: DataDir = None,
) -> None:
    """Add a feed after the tenant's others; the first that matches a name wins."""
    with opened(data_dir) as (ledger, _, settings):
        tenants = Tenants(ledger)
        catalogue, entity_name = _find(tenants.get(tenant), entity, settings.rules_dirs)
        feed = Feed(
            tenant=tenant,
            name=name,
            catalogue=catalogue,
            entity=entity_name,
            pattern=pattern,
            source=source,
            duplicate_handling=duplicates,
            created_at=now(),
        )
        tenants.add_feed(feed)
    typer.echo(f"feed '{name}' of '{tenant}' takes {pattern} as {catalogue}.{entity_name}")


@app.command("list")
def list_feeds(tenant: _Tenant, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List a tenant's feeds in the order in which they are matched."""
    with opened(data_dir) as (ledger, _, _):
        tenants = Tenants(ledger)
        tenants.get(tenant)
        feeds = [feed.model_dump(mode="json", exclude={"id", "tenant"}) for feed in tenants.feeds(tenant)]
    if as_json:
        print_json(feeds)
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("feed", "pattern", "entity", "source", "duplicates"):
        table.add_column(column)
    for feed in feeds:
        entity = f"{feed['catalogue']}.{feed['entity']}"
        table.add_row(feed["name"], feed["pattern"], entity, feed["source"] or "default", feed["duplicate_handling"])
    Console().print(table)


@app.command()
def remove(tenant: _Tenant, name: Annotated[str, typer.Argument(metavar="NAME")], data_dir: DataDir = None) -> None:
    """Remove a feed; what it imported stays."""
    with opened(data_dir) as (ledger, _, _):
        Tenants(ledger).remove_feed(tenant, name)
    typer.echo(f"feed '{name}' of '{tenant}' removed")


def _find(tenant: Tenant, entity: str, added: tuple[Path, ...]) -> tuple[str, str]:
    rules = in_force(added)
    names = [
        (catalogue, known.name)
        for catalogue in tenant.catalogues
        if catalogue in rules.catalogues
        for known in rules.catalogues[catalogue]
        if entity in (known.name, known.full_name)
    ]
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(f"'{tenant.name}' has no entity '{entity}'", fix="See `ingester rules list`.")
    raise UsageError(
        f"'{entity}' is in several catalogues", fix=f"Say one of {', '.join('.'.join(each) for each in names)}."
    )
