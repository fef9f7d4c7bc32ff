"""`ingester feed …`: streams of files that their names alone do not explain, and what is done with their records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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
    assigned,
    only_given,
    opened,
    print_json,
    print_table,
)
from ingester.domain.errors import UsageError
from ingester.domain.status import (
    REMOVAL_GUARD_PERCENT,
    Action,
    CompleteOn,
    DuplicateHandling,
    HoldHandling,
    RepeatHandling,
)
from ingester.domain.window import IMMEDIATE

if TYPE_CHECKING:
    from ingester.cli.site import Site
    from ingester.domain.reads import Reads
    from ingester.feed import Change
    from ingester.store.ledger_tables import Feed

app = typer.Typer(no_args_is_help=True, help="Say which files are which entity, and what is done with their records.")

#: Open ones of a tenant that are looked at; a feed with more has more to tell than fits a list.
_ALERTS = 1000

_Tenant = Annotated[str, typer.Argument(metavar="T", help="The tenant.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The feed's name.")]


@app.command(
    epilog="Examples: `ingester feed add acme crm --entity customer --pattern 'export_*.csv' --source crm` · "
    "`ingester feed add acme full --entity product --pattern 'full_*' --action overwrite --removal-guard 20` · "
    "`ingester feed add acme night --entity order --pattern 'orders_*' --schedule '30 2 * * *' --settle 10m` · "
    "`ingester feed add acme crm --entity customer --pattern 'crm_*' --expect-by 02:30 --expect-days mon-fri`"
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
    on_hold: Annotated[
        HoldHandling, typer.Option(help="What a held import does to newer files: they wait, or take its place.")
    ] = HoldHandling.BLOCK,
    schedule: Annotated[
        str, typer.Option(help="When files start: `immediate`, or five cron fields in the tenant's timezone.")
    ] = IMMEDIATE,
    window: Annotated[str, typer.Option(help="How long the schedule's window stays open, as 2h.")] = "0",
    blackout: Annotated[
        list[str] | None,
        typer.Option(help="A day on which nothing starts: sat, 12-24, 2026-12-24 or a range with `..`; repeatable."),
    ] = None,
    settle: Annotated[
        str, typer.Option(help="Start when nothing more has landed for so long, as 10m: a batch begins as a whole.")
    ] = "0",
    priority: Annotated[int, typer.Option(help="Higher goes first among the tenant's files.", min=-1000, max=1000)] = 0,
    time_limit: Annotated[str | None, typer.Option(help="Give an import up after so long, as 30m.")] = None,
    expect_by: Annotated[
        str | None, typer.Option(help="Times in the tenant's time zone by which a drop is due: 02:30 or 06:00,18:00.")
    ] = None,
    expect_days: Annotated[
        str | None, typer.Option(help="The days on which it is due: mon-fri, mon,thu. Default: daily")
    ] = None,
    expect_cron: Annotated[
        str | None, typer.Option(help="Instead: five fields of cron, in the tenant's time zone.")
    ] = None,
    expect_grace: Annotated[
        str | None, typer.Option(help="How late it may be before it is: 30m, 1h30m. Default: 0m")
    ] = None,
    expect_window: Annotated[
        str | None, typer.Option(help="How early it may come to count. Default: since the due moment before")
    ] = None,
    expect_rows: Annotated[int | None, typer.Option(help="Rows that it has at least. Default: 1")] = None,
    expect_shrink: Annotated[
        int | None, typer.Option(help="How much smaller than the last ones it may be, in percent.")
    ] = None,
    holidays: Annotated[
        str | None, typer.Option(help="Nothing is due on the public holidays of DE, DE-BY or XNYS.")
    ] = None,
    complete_on: Annotated[
        CompleteOn | None,
        typer.Option(help="How its files in an inbox folder are known to be complete. Default: as its tenant says."),
    ] = None,
    read: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD=VALUE",
            help="How its files are read, where they shall not tell themselves: encoding=cp1252, delimiter=';', "
            "decimal=',', dates=dmy, sheet=Orders, widths=8,20,10; repeatable.",
        ),
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
        on_hold=on_hold,
        schedule=schedule,
        window_seconds=window,
        blackout=tuple(blackout or ()),
        settle_seconds=settle,
        priority=priority,
        time_limit_seconds=time_limit,
        expects=only_given(
            by=expect_by,
            days=expect_days,
            cron=expect_cron,
            grace=expect_grace,
            window=expect_window,
            min_rows=expect_rows,
            shrink=expect_shrink,
            holidays=holidays,
        )
        or None,
        reads=assigned(read or []) or None,
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


@app.command(
    "set",
    epilog="Examples: `ingester feed set acme crm schedule='30 2 * * *' settle_seconds=10m` · "
    "`ingester feed set acme crm expects.by=02:30 expects.days=mon-fri` · `ingester feed set acme crm source=`. "
    "Its words are those that `ingester feed show T NAME` prints.",
)
def set_words(
    tenant: _Tenant,
    name: _Name,
    words: Annotated[list[str], typer.Argument(metavar="WORD=VALUE…", help="What it is to say; empty: the default.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, but change nothing.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Change what a feed says. Imports that have landed already keep what it said then."""
    from ingester.feed import amended, changes

    with opened(data_dir) as site:
        before = site.tenants.feed(tenant, name)
        feed = amended(before, words).feed(site.tenants.get(tenant), site.rules)
        if not dry_run:
            before = site.tenants.change_feed(feed)
        found = changes([before], [feed])
    _tell_changes(tenant, found, f"feed '{name}' of '{tenant}' says so already", dry_run=dry_run, as_json=as_json)


@app.command("list")
def list_feeds(tenant: _Tenant, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List a tenant's feeds in the order in which they are matched."""
    with opened(data_dir) as site:
        feeds = _standing(site, tenant)
    if as_json:
        print_json(feeds)
        return
    print_table(
        ("feed", "pattern", "entity", "action", "source", "duplicates", "starts", "expects", "alerts"),
        [
            (
                feed["name"],
                feed["pattern"],
                f"{feed['catalogue']}.{feed['entity']}",
                feed["action"],
                feed["source"] or "default",
                feed["duplicate_handling"],
                "paused" if feed["paused_at"] else feed["schedule"],
                _expected(feed["expects"]),
                ", ".join(dict.fromkeys(alert["kind"] for alert in feed["alerts"])),
            )
            for feed in feeds
        ],
    )


@app.command()
def show(tenant: _Tenant, name: _Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show everything one feed says."""
    with opened(data_dir) as site:
        site.tenants.feed(tenant, name)
        said = next(feed for feed in _standing(site, tenant) if feed["name"] == name)
    if as_json:
        print_json(said)
        return
    for word, value in said.items():
        if word == "alerts":
            for alert in value:
                typer.echo(f"alert {alert['id']}: {alert['kind']} since {alert['raised_at']}: {alert['message']}")
        else:
            typer.echo(f"{word}: {_shown(value)}")


@app.command()
def pause(tenant: _Tenant, name: _Name, data_dir: DataDir = None) -> None:
    """Let no import of a feed start until it is resumed; its files land all the same, and wait."""
    with opened(data_dir) as site:
        site.tenants.pause(tenant, name)
    typer.echo(f"feed '{name}' of '{tenant}' is paused; go on with: ingester feed resume {tenant} {name}")


@app.command()
def resume(tenant: _Tenant, name: _Name, data_dir: DataDir = None) -> None:
    """Let the imports of a paused feed start again."""
    with opened(data_dir) as site:
        site.tenants.resume(tenant, name)
        site.nudge()
    typer.echo(f"feed '{name}' of '{tenant}' goes on")


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
    _tell_changes(wanted, found, f"the feeds of '{wanted}' are as {file.name} says", dry_run=dry_run, as_json=as_json)


def _tell_changes(tenant: str, found: Sequence[Change], none: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"tenant": tenant, "dry_run": dry_run, "changes": [_described(change) for change in found]})
        return
    for change in found:
        typer.echo(f"feed '{change.feed}' {'would be ' if dry_run else ''}{change.kind}")
        for word, (old, new) in change.words.items():
            typer.echo(f"  {word}: {_shown(old)} -> {_shown(new)}")
    if not found:
        typer.echo(none)


def reads_of(assignments: Sequence[str]) -> Reads:
    """How files are read, from `word=value` one by one."""
    from pydantic import ValidationError

    from ingester.domain.reads import Reads
    from ingester.feed import mistakes

    try:
        return Reads.model_validate(assigned(assignments))
    except ValidationError as error:
        raise UsageError("; ".join(mistakes(error))) from None


def _said(feed: Feed) -> dict[str, Any]:
    return feed.model_dump(mode="json", exclude={"id", "tenant"})


def _standing(site: Site, tenant: str) -> list[dict[str, Any]]:
    """Everything about a tenant's feeds: what they say, when their next drop is due, and what is wrong by now."""
    from ingester.alert import alerts
    from ingester.expectation.timetable import Timetable
    from ingester.expectation.words import Expects
    from ingester.outbox.status import moment
    from ingester.store.database import now

    def next_due(words: dict[str, Any] | None) -> datetime | None:
        expects = Expects.model_construct(**words or {})
        return Timetable(expects, zone).next(now()) if expects.timed else None

    zone, feeds = site.tenants.get(tenant).timezone, site.tenants.feeds(tenant)
    opened_ones = alerts(site.ledger, tenant=tenant, limit=_ALERTS)
    return [
        {
            **_said(feed),
            "next_due_at": moment(next_due(feed.expects)),
            "alerts": [
                {
                    "id": alert.id,
                    "kind": alert.kind.value,
                    "message": alert.message,
                    "due_at": moment(alert.due_at),
                    "raised_at": moment(alert.raised_at),
                }
                for alert in opened_ones
                if alert.feed == feed.name
            ],
        }
        for feed in feeds
    ]


def _expected(words: dict[str, Any] | None) -> str:
    from ingester.expectation.words import Expects

    return "" if words is None else str(Expects.model_construct(**words))


def _described(change: Change) -> dict[str, Any]:
    words = {word: {"before": old, "after": new} for word, (old, new) in change.words.items()}
    return {"feed": change.feed, "change": change.kind, "words": words}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{word} {said}" for word, said in value.items())
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
