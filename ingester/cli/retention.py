"""`ingester retention …`: how long what is kept, legal holds, and what was removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import Config, DataDir, Json, opened, print_json, print_table
from ingester.domain.errors import UsageError

if TYPE_CHECKING:
    from ingester.store.ledger_tables import LegalHold
    from ingester.store.retention import Periods

app = typer.Typer(no_args_is_help=True, help="Say how long what is kept; place and release legal holds.")

_Tenant = Annotated[str, typer.Argument(metavar="T", help="The tenant.")]
_Days = Annotated[str | None, typer.Option(metavar="DAYS", help="Days, `forever`, or `default`.", show_default=False)]
_Import = Annotated[
    str | None,
    typer.Option("--import", metavar="ID", help="Only one import, by its id or short id.", show_default=False),
]


@app.command(epilog="Examples: `ingester retention show` · `ingester retention show acme --json`")
def show(
    tenant: Annotated[str | None, typer.Argument(metavar="[T]", help="The tenant; without one, all of them.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show for how long what is kept, and what is under legal hold."""
    from ingester.store.retention import PLACES, Retention

    with opened(data_dir, config) as site:
        retention = Retention(site.ledger, site.settings.retention)
        rows = [row for row in retention.tenants() if tenant in (None, row.name)]
        if tenant is not None and not rows:
            site.tenants.get(tenant)
        holds = retention.holds(tenant)
        found: list[dict[str, Any]] = [
            {
                "tenant": row.name,
                **_described(retention.periods(row)),
                "legal_holds": [_hold(each) for each in holds if each.tenant == row.name],
            }
            for row in rows
        ]
        settings = {"tenant": None, **_described(retention.periods()), "legal_holds": []}
    if as_json:
        print_json(found[0] if tenant is not None else [settings, *found])
        return
    table = [
        (each["tenant"] or "(settings)", *(_words(each[place]) for place in PLACES), _held(each["legal_holds"]))
        for each in (found if tenant is not None else [settings, *found])
    ]
    print_table(("tenant", *PLACES, "legal hold"), table)
    typer.echo("Those with * are the tenant's own.")


@app.command("set", epilog="Examples: `ingester retention set acme --archive 90 --outbox 30 --history forever`")
def set_periods(
    tenant: _Tenant,
    archive: _Days = None,
    outbox: _Days = None,
    quarantine: _Days = None,
    history: _Days = None,
    data_dir: DataDir = None,
) -> None:
    """Give a tenant periods of its own, counted from the end of an import."""
    from ingester.store.retention import Retention

    said = {"archive": archive, "outbox": outbox, "quarantine": quarantine, "history": history}
    given = {place: word for place, word in said.items() if word is not None}
    if not given:
        raise UsageError("nothing to set", fix="Say how long, as in --archive 90.")
    words = {place: _days(place, word) for place, word in given.items() if word != "default"}
    with opened(data_dir) as site:
        retention = Retention(site.ledger, site.settings.retention)
        row = retention.set(tenant, words, [place for place, word in given.items() if word == "default"])
        periods = retention.periods(row)
    typer.echo(f"'{tenant}' keeps {', '.join(f'{place} {periods[place]}' for place in given)}")


@app.command(epilog="Examples: `ingester retention hold acme --reason 'case 4711'` · `… hold acme --import 7f3a9c2e`")
def hold(
    tenant: _Tenant,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it later.")] = "",
    import_id: _Import = None,
    data_dir: DataDir = None,
) -> None:
    """Place a legal hold: while it is there, nothing of the tenant, or of one import, is removed."""
    from ingester.store.retention import Retention, import_of

    with opened(data_dir) as site:
        retention, what = Retention(site.ledger, site.settings.retention), f"'{tenant}'"
        job = None
        if import_id is not None:
            with site.ledger.reading() as session:
                job = import_of(session, tenant, import_id)
            what = f"import {job.short_id} of {what}"
        retention.hold(tenant, reason, "" if job is None else job.id)
    typer.echo(f"{what} is under legal hold; nothing of it is removed")


@app.command()
def release(tenant: _Tenant, import_id: _Import = None, data_dir: DataDir = None) -> None:
    """Release a legal hold; other holds of the tenant stay."""
    from ingester.store.retention import Retention, import_of

    with opened(data_dir) as site:
        held = ""
        if import_id is not None:
            with site.ledger.reading() as session:
                held = import_of(session, tenant, import_id).id
        Retention(site.ledger, site.settings.retention).release(tenant, held)
    typer.echo(f"the legal hold of {f'import {import_id} of ' if import_id else ''}'{tenant}' is released")


@app.command(epilog="Examples: `ingester retention run --dry-run` · `ingester retention run --tenant acme`")
def run(
    tenant: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, but remove nothing.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove now what need not be kept; the service does so every hour."""
    from ingester import log as logs
    from ingester.retention.keeper import Keeper
    from ingester.store.database import now
    from ingester.store.datastore import DataStore

    with opened(data_dir, config) as site:
        if tenant is not None:
            site.tenants.get(tenant)
        settings = site.settings
        # What goes is printed and recorded; the log says what went wrong.
        logs.configure(settings.log_format, "WARNING")
        keeper = Keeper(site.ledger, site.directory, settings.retention, lambda: DataStore.open(settings.data_url))
        found: list[dict[str, Any]] = []
        files = size = 0
        for step in keeper.steps(now(), tenant=tenant, dry_run=dry_run):
            for each in step:
                files, size = files + each.files, size + each.size
                if as_json:
                    found.append({name: getattr(each, name) for name in each.__slots__})
                else:
                    typer.echo(f"{each.tenant or '-'} {each.place}: {each.what} ({each.files} files, {each.policy})")
        keeper.close()
    if as_json:
        print_json({"dry_run": dry_run, "files": files, "bytes": size, "removed": found})
        return
    typer.echo(f"{files:,} files of {size:,} bytes {'would be ' if dry_run else ''}removed")


@app.command(epilog="Examples: `ingester retention log` · `ingester retention log acme --limit 1000 --json`")
def log(
    tenant: Annotated[str | None, typer.Argument(metavar="[T]", help="Only this customer's.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List what was removed, when, and why, and what was decided about keeping; also of customers that are gone."""
    from ingester.outbox import status
    from ingester.store.retention import Retention

    with opened(data_dir) as site:
        removals = Retention(site.ledger, site.settings.retention).removals(tenant, limit)
        if tenant is not None and not removals:
            site.tenants.ever(tenant)
    if as_json:
        print_json([each.model_dump(mode="json", exclude={"id"}) for each in removals])
        return
    print_table(
        ("removed", "tenant", "place", "what", "files", "bytes", "why"),
        [
            (
                status.moment(each.removed_at) or "",
                each.tenant or "-",
                each.place,
                each.what,
                str(each.files),
                f"{each.size:,}",
                each.policy,
            )
            for each in removals
        ],
    )


def _days(place: str, word: str) -> int | None:
    from ingester.store.retention import MOST_DAYS

    if word == "forever":
        return None
    if not word.isascii() or not word.isdigit() or int(word) > MOST_DAYS:
        raise UsageError(f"--{place} is '{word}'", fix=f"Say 0 to {MOST_DAYS} days, `forever` or `default`.")
    return int(word)


def _described(periods: Periods) -> dict[str, Any]:
    return {place: {"days": period.days, "own": period.own} for place, period in periods.items()}


def _words(period: dict[str, Any]) -> str:
    days = period["days"]
    return f"{'forever' if days is None else days}{'*' if period['own'] else ''}"


def _hold(hold: LegalHold) -> dict[str, Any]:
    return {"import_id": hold.import_id or None, "reason": hold.reason, "placed_at": hold.placed_at}


def _held(holds: list[dict[str, Any]]) -> str:
    whole = [hold["reason"] or "yes" for hold in holds if hold["import_id"] is None]
    some = sum(hold["import_id"] is not None for hold in holds)
    return "; ".join([*whole, *([f"{some} imports"] if some else [])])
