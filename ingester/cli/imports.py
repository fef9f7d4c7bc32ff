"""`ingester imports …`: what became of each drop, and decisions about those that wait."""

from __future__ import annotations

import csv
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ingester.cli.options import DataDir, Json, opened, print_json
from ingester.decision import Decisions
from ingester.domain.errors import UsageError
from ingester.domain.status import Status
from ingester.outbox import name as outbox_name
from ingester.outbox import status
from ingester.store.ledger_tables import Import

app = typer.Typer(no_args_is_help=True, help="List imports and decide about those that wait.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="The import's id or short id.")]


@app.command("list", epilog="Examples: `ingester imports list` · `ingester imports list --tenant acme --status failed`")
def list_imports(
    tenant: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    status_is: Annotated[Status | None, typer.Option("--status", help="Only those that are in this state.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the newest imports."""
    with opened(data_dir) as (ledger, _, _):
        found = ledger.imports(tenant=tenant, status=status_is, limit=limit)
    if as_json:
        print_json([status.document(job, drop) for job, drop in found])
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("id", "landed", "tenant", "entity", "file", "status", "outcome"):
        table.add_column(column, overflow="fold")
    for job, drop in found:
        state = f"{job.status}: {job.reason}" if job.reason else job.status.value
        landed = f"{drop.landed_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(job.short_id, landed, job.tenant, job.entity or "?", drop.name, state, job.outcome or "")
    Console().print(table)


@app.command()
def show(import_id: _Id, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show one import and every attempt at it."""
    with opened(data_dir) as (ledger, _, _):
        job, drop = ledger.import_(import_id)
        attempts = ledger.attempts(job.id)
    document = status.document(job, drop)
    document["attempts"] = [attempt.model_dump(mode="json", exclude={"id", "import_id"}) for attempt in attempts]
    if as_json:
        print_json(document)
        return
    for key in ("id", "tenant", "entity_type", "source", "status", "outcome", "reason", "message"):
        typer.echo(f"{key}: {document[key] if document[key] is not None else '-'}")
    typer.echo(f"file: {drop.name}, {drop.size:,} bytes, sha256 {drop.sha256}, by {drop.origin}")
    for attempt in document["attempts"]:
        said = f" ({attempt['error']})" if attempt["error"] else ""
        typer.echo(f"attempt {attempt['number']}: {attempt['result'] or 'running'} on {attempt['worker']}{said}")


@app.command()
def errors(import_id: _Id, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Print an import's error report."""
    with opened(data_dir) as (ledger, directory, _):
        job, drop = ledger.import_(import_id)
        path = directory.tenant(job.tenant).outbox / outbox_name.errors(drop.name, job.short_id)
    if not path.exists():
        raise UsageError(
            f"import {job.short_id} has no error report in the outbox", fix="It had none, or it was taken."
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    if as_json:
        print_json(rows)
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("row", "line", "key", "field", "code", "message", "value"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(row[name] for name in ("row", "line", "key", "field", "code", "message", "value")))
    Console().print(table)


@app.command()
def approve(import_id: _Id, data_dir: DataDir = None) -> None:
    """Let a held import run."""
    with opened(data_dir) as (ledger, directory, _):
        job, _drop = ledger.import_(import_id)
        _say(Decisions(ledger, directory).approve(job))


@app.command()
def reject(import_id: _Id, data_dir: DataDir = None) -> None:
    """End a held import without importing anything."""
    with opened(data_dir) as (ledger, directory, _):
        job, drop = ledger.import_(import_id)
        if job.status is not Status.NEEDS_ATTENTION:
            raise UsageError(f"import {job.short_id} is {job.status}, not held", fix="Use `ingester imports cancel`.")
        _say(Decisions(ledger, directory).cancel(job, drop))


@app.command()
def cancel(import_id: _Id, data_dir: DataDir = None) -> None:
    """End an import that has not started, or that is held."""
    with opened(data_dir) as (ledger, directory, _):
        job, drop = ledger.import_(import_id)
        _say(Decisions(ledger, directory).cancel(job, drop))


@app.command()
def retry(import_id: _Id, data_dir: DataDir = None) -> None:
    """Run a failed import again."""
    with opened(data_dir) as (ledger, directory, _):
        job, _drop = ledger.import_(import_id)
        if job.entity is None:
            raise UsageError(
                f"import {job.short_id} has no entity", fix="Drop the file again under a name that has one."
            )
        _say(Decisions(ledger, directory).retry(job))


def _say(job: Import) -> None:
    typer.echo(f"import {job.short_id} is {job.status} now")
