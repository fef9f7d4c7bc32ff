"""`ingester alerts …`: what somebody should look at, such as drops that did not come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import DataDir, Json, opened, print_json, print_table

if TYPE_CHECKING:
    from ingester.store.ledger_tables import Alert

app = typer.Typer(no_args_is_help=True, help="Look at what is late, missing, empty or left lying, and resolve it.")

_Number = Annotated[int, typer.Argument(metavar="ID", help="The alert's number.")]


@app.command("list", epilog="Examples: `ingester alerts list` · `ingester alerts list --tenant acme --all`")
def list_alerts(
    tenant: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the open alerts, newest first."""
    from ingester.alert import alerts

    with opened(data_dir) as site:
        if tenant is not None:
            site.tenants.get(tenant)
        found = [_said(alert) for alert in alerts(site.ledger, tenant=tenant, everything=everything, limit=limit)]
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "raised", "tenant", "feed", "kind", "message", "resolved"),
        [
            (
                str(each["id"]),
                each["raised_at"][:19],
                each["tenant"],
                each["feed"] or "",
                each["kind"],
                each["message"],
                (each["resolved_at"] or "")[:19],
            )
            for each in found
        ],
    )


@app.command()
def show(number: _Number, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show everything about one alert."""
    from ingester.alert import alert

    with opened(data_dir) as site:
        said = _said(alert(site.ledger, number))
    if as_json:
        print_json(said)
        return
    for word, value in said.items():
        typer.echo(f"{word}: {value if value is not None else '-'}")


@app.command()
def resolve(number: _Number, data_dir: DataDir = None) -> None:
    """Say that an alert is dealt with; it is not raised again."""
    from ingester.alert import close

    with opened(data_dir) as site:
        close(site.ledger, number, "an operator")
    typer.echo(f"alert {number} is resolved")


def _said(alert: Alert) -> dict[str, Any]:
    from ingester.outbox.status import moment

    said = alert.model_dump(mode="json", exclude={"feed"}) | {"feed": alert.feed or None}
    moments = ("due_at", "raised_at", "resolved_at")
    return said | {name: moment(getattr(alert, name)) for name in moments}
