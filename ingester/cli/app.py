"""The tree of commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ingester.cli import (
    alerts,
    database,
    demo,
    doctor,
    feed,
    imports,
    inspect,
    notify,
    oneshot,
    options,
    retention,
    rules,
    s3,
    serve,
    tenant,
    up,
)


class _Root(TyperGroup):
    """Ends with 1 where the command line is wrong: 2, as is usual for that, means that rows were refused."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the root's own options."""
        with _usage_is_one():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Find, read and run the command."""
        with _usage_is_one():
            return super().invoke(ctx)


@contextmanager
def _usage_is_one() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        if getattr(error, "exit_code", None) == 2:
            error.exit_code = 1  # type: ignore[attr-defined]  # it has it; the class that says so is Typer's own
        raise


app = typer.Typer(
    cls=_Root,
    name="ingester",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Files in over SFTP, validated and imported exactly once, reports back in the outbox.",
    epilog="Start with: `ingester demo`",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ingester {metadata.version('ingester')}")
        raise typer.Exit


@app.callback()
def _root(
    config: Annotated[
        Path | None, typer.Option("--config", help="A TOML file of settings, for any command.", show_default=False)
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    options.for_any_command(config)


app.command("up", epilog=up.EXAMPLES)(up.up)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("demo")(demo.demo)
app.command("import", epilog=oneshot.IMPORT_EXAMPLES)(oneshot.import_file)
app.command("inspect", epilog=inspect.EXAMPLES)(inspect.inspect_files)
app.command("validate", epilog=oneshot.VALIDATE_EXAMPLES)(oneshot.validate_file)
app.add_typer(tenant.app, name="tenant")
app.add_typer(feed.app, name="feed")
app.add_typer(s3.app, name="s3")
app.add_typer(imports.app, name="imports")
app.add_typer(alerts.app, name="alerts")
app.add_typer(notify.app, name="notify")
app.add_typer(retention.app, name="retention")
app.add_typer(rules.app, name="rules")
app.add_typer(database.app, name="db")
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
