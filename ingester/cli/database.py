"""`ingester db …`: the schema of the service's databases."""

from __future__ import annotations

import typer

from ingester.cli.options import DataDir, opened

app = typer.Typer(no_args_is_help=True, help="Create and upgrade the databases.")


@app.callback()
def _group() -> None:
    """Keep `db upgrade` a command of a group even while it is alone."""


@app.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Bring the ledger, the outcomes and every entity table to this version. Running it again changes nothing."""
    with opened(data_dir) as site:
        _ = site.ledger  # opening it upgrades it
        site.store.ensure_tables(site.rules)
    typer.echo("the databases are up to date")
