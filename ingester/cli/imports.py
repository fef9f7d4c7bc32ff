"""`ingester imports …`: what became of each drop, and decisions about those that wait."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
from ingester.store.datastore import DataStore
from ingester.store.ledger_tables import Drop, Import

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
        waiting = {job.id: ledger.held_before(job) for job, _ in found if job.status is Status.QUEUED}
    if as_json:
        print_json([status.document(job, drop) for job, drop in found])
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("id", "landed", "tenant", "entity", "file", "status", "outcome"):
        table.add_column(column, overflow="fold")
    for job, drop in found:
        state = f"{job.status}: {job.reason}" if job.reason else job.status.value
        if held := waiting.get(job.id):
            state = f"{job.status} behind {held}"
        landed = f"{drop.landed_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(job.short_id, landed, job.tenant, job.entity or "?", drop.name, state, job.outcome or "")
    Console().print(table)
    if len(found) == limit:
        typer.echo(f"These are the newest {limit}; --limit shows more.")


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
    csv.field_size_limit(sys.maxsize)  # the report quotes whole cells, however long
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
    with _decisions(import_id, data_dir) as (decisions, job, drop):
        decisions.approve(job, drop)
    typer.echo(f"import {job.short_id} runs again")


@app.command()
def reject(import_id: _Id, data_dir: DataDir = None) -> None:
    """End a held import without importing anything."""
    with _decisions(import_id, data_dir) as (decisions, job, drop):
        if job.status is not Status.NEEDS_ATTENTION:
            raise UsageError(f"import {job.short_id} is {job.status}, not held")
        decisions.cancel(job, drop)
    typer.echo(f"import {job.short_id} is rejected; nothing was imported")


@app.command()
def cancel(import_id: _Id, data_dir: DataDir = None) -> None:
    """End an import that waits, queued or held."""
    with _decisions(import_id, data_dir) as (decisions, job, drop):
        decisions.cancel(job, drop)
    typer.echo(f"import {job.short_id} is canceled; nothing was imported")


@app.command()
def retry(import_id: _Id, data_dir: DataDir = None) -> None:
    """Run a failed import again."""
    with _decisions(import_id, data_dir) as (decisions, job, drop):
        if job.entity is None:
            raise UsageError(f"import {job.short_id} has no entity", fix="Drop the file again under another name.")
        decisions.retry(job, drop)
    typer.echo(f"import {job.short_id} is queued again")


@contextmanager
def _decisions(import_id: str, data_dir: Path | None) -> Iterator[tuple[Decisions, Import, Drop]]:
    """One import, and what can be decided about it."""
    with opened(data_dir) as (ledger, directory, settings):
        store = DataStore.open(settings.data_url)
        try:
            yield Decisions(ledger, directory, store), *ledger.import_(import_id)
        finally:
            store.close()
