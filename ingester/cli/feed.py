"""`ingester feed …`: streams of files that their names alone do not explain, and what is done with their records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import (
    ActionWord,
    DataDir,
    Duplicates,
    EmptyErases,
    Json,
    RemovalGuard,
    opened,
    print_json,
    print_table,
)
from ingester.domain.errors import UsageError
from ingester.domain.status import REMOVAL_GUARD_PERCENT, Action, CompleteOn, DuplicateHandling, RepeatHandling

if TYPE_CHECKING:
    from ingester.feed import Change
    from ingester.store.ledger_tables import Feed

app = typer.Typer(no_args_is_help=True, help="Say which files are which entity, and what is done with their records.")

_Tenant = Annotated[str, typer.Argument(metavar="T", help="The tenant.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The feed's name.")]


@app.command(
    epilog="Examples: `ingester feed add acme crm --entity customer --pattern 'export_*.csv' --source crm` · "
    "`ingester feed add acme full --entity product --pattern 'full_*' --action overwrite --removal-guard 20`"
)
def add(
    tenant: _Tenant,
    name: _Name,
    entity: Annotated[str, typer.Option(help="The entity its files hold, as `customer` or `field_service.customer`.")],
    pattern: Annotated[str, typer.Option(help="File names that belong to it, as 'export_*.csv'; in any case.")],
    action: ActionWord = Action.MERGE,
    source: Annotated[str | None, typer.Option(help="Where its records come from. Default: default")] = None,
    duplicates: Duplicates = DuplicateHandling.IGNORE_ALL,
    empty_erases: EmptyErases = False,
    removal_guard: RemovalGuard = REMOVAL_GUARD_PERCENT,
    on_repeated: Annotated[
        RepeatHandling, typer.Option(help="A file with the name and the bytes of the one imported last.")
    ] = RepeatHandling.SKIP,
    on_renamed: Annotated[
        RepeatHandling, typer.Option(help="A file with the bytes of the one imported last, under another name.")
    ] = RepeatHandling.SKIP,
    on_revised: Annotated[
        RepeatHandling, typer.Option(help="A file with the name of one imported before, and other bytes.")
    ] = RepeatHandling.IMPORT,
    complete_on: Annotated[
        CompleteOn | None,
        typer.Option(help="How its files in an inbox folder are known to be complete. Default: as its tenant says."),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Add a feed after the tenant's others; the first that matches a name wins."""
    from ingester.feed import declare

    declared = declare(
        name=name,
        entity=entity,
        pattern=pattern,
        action=action,
        source=source,
        duplicate_handling=duplicates,
        empty_erases=empty_erases,
        removal_guard_percent=removal_guard,
        on_repeated=on_repeated,
        on_renamed=on_renamed,
        on_revised=on_revised,
        complete_on=complete_on,
    )
    with opened(data_dir) as site:
        feed = declared.feed(site.tenants.get(tenant), site.rules)
        said = _said(feed)
        site.tenants.add_feed(feed)
    if as_json:
        print_json(said)
        return
    typer.echo(f"feed '{name}' of '{tenant}' takes {pattern} as {said['catalogue']}.{said['entity']} ({action})")


@app.command("list")
def list_feeds(tenant: _Tenant, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List a tenant's feeds in the order in which they are matched."""
    with opened(data_dir) as site:
        site.tenants.get(tenant)
        feeds = [_said(feed) for feed in site.tenants.feeds(tenant)]
    if as_json:
        print_json(feeds)
        return
    print_table(
        ("feed", "pattern", "entity", "action", "source", "duplicates"),
        [
            (
                feed["name"],
                feed["pattern"],
                f"{feed['catalogue']}.{feed['entity']}",
                feed["action"],
                feed["source"] or "default",
                feed["duplicate_handling"],
            )
            for feed in feeds
        ],
    )


@app.command()
def show(tenant: _Tenant, name: _Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show everything one feed says."""
    with opened(data_dir) as site:
        said = _said(site.tenants.feed(tenant, name))
    if as_json:
        print_json(said)
        return
    for word, value in said.items():
        typer.echo(f"{word}: {_shown(value)}")


@app.command()
def remove(tenant: _Tenant, name: _Name, data_dir: DataDir = None) -> None:
    """Remove a feed; what it imported stays."""
    with opened(data_dir) as site:
        site.tenants.remove_feed(tenant, name)
    typer.echo(f"feed '{name}' of '{tenant}' removed")


@app.command(
    epilog="Examples: `ingester feed apply acme.yaml --dry-run` · `ingester feed apply feeds.toml --tenant acme`. "
    "Its keys are those that `ingester feed list T --json` prints."
)
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML or TOML: `tenant:` and a list `feeds:`.")],
    tenant: Annotated[str | None, typer.Option(help="The tenant, if not the one that the file names.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, but change nothing.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a tenant's feeds those of a file, in its order: add, change and remove what differs."""
    from ingester.feed import changes, read, resolved

    named, declared = read(file)
    wanted = tenant or named
    if wanted is None:
        raise UsageError(f"{file} does not say whose feeds they are", fix="Add `tenant: T` to it, or say --tenant T.")
    with opened(data_dir) as site:
        feeds = resolved(declared, site.tenants.get(wanted), site.rules)
        before = site.tenants.feeds(wanted) if dry_run else site.tenants.replace_feeds(wanted, feeds)
        found = changes(before, feeds)
    if as_json:
        print_json({"tenant": wanted, "dry_run": dry_run, "changes": [_described(change) for change in found]})
        return
    for change in found:
        typer.echo(f"feed '{change.feed}' {'would be ' if dry_run else ''}{change.kind}")
        for word, (old, new) in change.words.items():
            typer.echo(f"  {word}: {_shown(old)} -> {_shown(new)}")
    if not found:
        typer.echo(f"the feeds of '{wanted}' are as {file.name} says")


def _said(feed: Feed) -> dict[str, Any]:
    return feed.model_dump(mode="json", exclude={"id", "tenant"})


def _described(change: Change) -> dict[str, Any]:
    words = {word: {"before": old, "after": new} for word, (old, new) in change.words.items()}
    return {"feed": change.feed, "change": change.kind, "words": words}


def _shown(value: object) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
