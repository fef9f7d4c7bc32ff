"""`ingester db …`: the schema of the service's databases."""

from __future__ import annotations

import typer

from ingester.cli.options import DataDir, opened
from ingester.ruleset.shipped import in_force
from ingester.store.datastore import DataStore

app = typer.Typer(no_args_is_help=True, help="Create and upgrade the databases.")


@app.callback()
def _group() -> None:
    """Keep `db upgrade` a command of a group even while it is alone."""


@app.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Bring the ledger, the outcomes and every entity table to this version. Running it again changes nothing."""
    with opened(data_dir) as (_, _, settings):
        rules = in_force(settings.rules_dirs)
        store = DataStore.open(settings.data_url)
        store.ensure_tables(rules)
        store.close()
    typer.echo("the databases are up to date")
