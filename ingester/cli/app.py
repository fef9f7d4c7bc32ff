"""The tree of commands."""

from __future__ import annotations

import typer

from ingester.cli import database, demo, feed, imports, oneshot, rules, tenant, up

app = typer.Typer(
    name="ingester",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Files in over SFTP, validated and imported exactly once, reports back in the outbox.",
    epilog="Start with: `ingester demo`",
)

app.command("up", epilog=up.EXAMPLES)(up.up)
app.command("demo")(demo.demo)
app.command("import", epilog=oneshot.IMPORT_EXAMPLES)(oneshot.import_file)
app.command("validate", epilog=oneshot.VALIDATE_EXAMPLES)(oneshot.validate_file)
app.add_typer(tenant.app, name="tenant")
app.add_typer(feed.app, name="feed")
app.add_typer(imports.app, name="imports")
app.add_typer(rules.app, name="rules")
app.add_typer(database.app, name="db")
