"""`ingester imports …`: what became of each drop, and decisions about those that wait."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import DataDir, Json, opened, print_json, print_table
from ingester.domain.errors import UsageError
from ingester.domain.status import Status
from ingester.outbox import name as outbox_name

if TYPE_CHECKING:
    from ingester.decision import Decisions
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
    from ingester.outbox import status

    with opened(data_dir) as site:
        found = site.ledger.imports(tenant=tenant, status=status_is, limit=limit)
        waiting = {job.id: site.ledger.held_before(job) for job, _ in found if job.status is Status.QUEUED}
    if as_json:
        print_json([status.document(job, drop) for job, drop in found])
        return
    rows = []
    for job, drop in found:
        state = f"{job.status}: {job.reason}" if job.reason else job.status.value
        if held := waiting.get(job.id):
            state = f"{job.status} behind {held}"
        landed = f"{drop.landed_at:%Y-%m-%d %H:%M:%S}"
        rows.append((job.short_id, landed, job.tenant, job.entity or "?", drop.name, state, job.outcome or ""))
    print_table(("id", "landed", "tenant", "entity", "file", "status", "outcome"), rows)
    if len(found) == limit:
        typer.echo(f"These are the newest {limit}; --limit shows more.")


@app.command()
def show(import_id: _Id, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show one import and every attempt at it."""
    from ingester.outbox import status

    with opened(data_dir) as site:
        job, drop = site.ledger.import_(import_id)
        attempts = site.ledger.attempts(job.id)
    document = status.document(job, drop)
    document["attempts"] = [attempt.model_dump(mode="json", exclude={"id", "import_id"}) for attempt in attempts]
    if as_json:
        print_json(document)
        return
    for key in ("id", "tenant", "feed", "entity_type", "source", "action", "status", "outcome", "reason", "message"):
        typer.echo(f"{key}: {document[key] if document[key] is not None else '-'}")
    typer.echo(f"file: {drop.name}, {drop.size:,} bytes, sha256 {drop.sha256}, by {drop.origin}")
    for attempt in document["attempts"]:
        said = f" ({attempt['error']})" if attempt["error"] else ""
        typer.echo(f"attempt {attempt['number']}: {attempt['result'] or 'running'} on {attempt['worker']}{said}")


@app.command()
def errors(import_id: _Id, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Print an import's error report."""
    with opened(data_dir) as site:
        job, drop = site.ledger.import_(import_id)
        path = site.directory.tenant(job.tenant).outbox / outbox_name.errors(drop.name, job.short_id)
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
    columns = ("row", "line", "key", "field", "code", "message", "value")
    print_table(columns, [[row[name] for name in columns] for row in rows])


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
    from ingester.decision import Decisions

    with opened(data_dir) as site:
        yield Decisions(site.ledger, site.directory, site.store), *site.ledger.import_(import_id)
