"""`ingester imports …`: what became of each drop, and decisions about those that wait."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import DataDir, Json, opened, print_json, print_table
from ingester.cli.summary import counted
from ingester.domain.errors import UsageError
from ingester.domain.status import Status
from ingester.outbox import name as outbox_name

if TYPE_CHECKING:
    from ingester.cli.site import Site
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
    with opened(data_dir) as site:
        if tenant is not None:
            site.tenants.ever(tenant)
        found = site.ledger.imports(tenant=tenant, status=status_is, limit=limit)
        documents = _documents(site, found)
    if as_json:
        print_json(documents)
        return
    rows = []
    for document, (job, drop) in zip(documents, found, strict=True):
        state = f"{job.status}: {document['reason']}" if document["reason"] else job.status.value
        landed = f"{drop.landed_at:%Y-%m-%d %H:%M:%S}"
        rows.append((job.short_id, landed, job.tenant, job.entity or "?", drop.name, state, job.outcome or ""))
    print_table(("id", "landed", "tenant", "entity", "file", "status", "outcome"), rows)
    if len(found) == limit:
        typer.echo(f"These are the newest {limit}; --limit shows more.")


@app.command()
def show(import_id: _Id, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show one import, what it did or waits for, and every attempt at it."""
    from ingester.outbox import status

    with opened(data_dir) as site:
        job, drop = site.ledger.import_(import_id)
        attempts = site.ledger.attempts(job.id)
        (document,) = _documents(site, [(job, drop)])
        if job.status is Status.COMPLETED:
            # What its customer reads says more than the ledger keeps; its customer may have removed it.
            document = status.read(site.directory.tenant(job.tenant).outbox, job, drop) or document
            document["stats"] = document["stats"] or job.stats
    document["attempts"] = [attempt.model_dump(mode="json", exclude={"id", "import_id"}) for attempt in attempts]
    if as_json:
        print_json(document)
        return
    for key in ("id", "tenant", "feed", "entity_type", "source", "action", "status", "outcome", "reason", "message"):
        typer.echo(f"{key}: {document[key] if document[key] is not None else '-'}")
    if document["stats"] is not None:
        for line in counted(document["stats"], dry_run=job.dry_run):
            typer.echo(f"rows: {line}")
    typer.echo(f"file: {drop.name}, {drop.size:,} bytes, sha256 {drop.sha256}, by {drop.origin}")
    for member in document.get("members", ()):
        state = " ".join(filter(None, (member["status"], member["outcome"] or member["reason"])))
        typer.echo(f"member {member['short_id']}: {member['name']}, {member['entity_type'] or '?'}, {state}")
    for attempt in document["attempts"]:
        said = f" ({attempt['error']})" if attempt["error"] else ""
        typer.echo(f"attempt {attempt['number']}: {attempt['result'] or 'running'} on {attempt['worker']}{said}")


def _documents(site: Site, found: Sequence[tuple[Import, Drop]]) -> list[dict[str, Any]]:
    """Imports as status files show them, those that wait with what keeps them waiting now."""
    from ingester import turn
    from ingester.fileset import FileSets
    from ingester.outbox import status
    from ingester.store.database import now

    with site.ledger.reading() as session:
        waits = turn.waits(session, [job for job, _ in found], now())
    said = {import_id: status.waiting(wait.reason, wait.expected) for import_id, wait in waits.items()}
    sets = FileSets(site.ledger, site.directory)
    return [status.document(job, drop, said.get(job.id) or sets.report(job)) for job, drop in found]


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
    """Run a failed import again; a file that nobody knew the type of is matched to feeds and rules again."""
    with opened(data_dir) as site, _decisions_of(site, import_id) as (decisions, job, drop):
        failed = decisions.failed_members(job)
        for its_drop, member in failed or [(drop, job)]:
            _retry(site, decisions, member, its_drop)
    typer.echo(f"import {job.short_id} is queued again" if not failed else f"{len(failed)} files are queued again")


def _retry(site: Site, decisions: Decisions, job: Import, drop: Drop) -> None:
    if job.entity is None and not job.is_set:
        tenant = site.tenants.get(job.tenant)
        decisions.route_again(job, drop, site.router, tenant, site.tenants.feeds(job.tenant))
    else:
        decisions.retry(job, drop)


@app.command()
def start(import_id: _Id, data_dir: DataDir = None) -> None:
    """Let an import that waits for its time start now, before its feed's window opens or its batch has settled."""
    with _decisions(import_id, data_dir) as (decisions, job, drop):
        decisions.start(job, drop)
    typer.echo(f"import {job.short_id} may start now")


@contextmanager
def _decisions(import_id: str, data_dir: Path | None) -> Iterator[tuple[Decisions, Import, Drop]]:
    """One import, and what can be decided about it."""
    with opened(data_dir) as site, _decisions_of(site, import_id) as found:
        yield found


@contextmanager
def _decisions_of(site: Site, import_id: str) -> Iterator[tuple[Decisions, Import, Drop]]:
    from ingester.decision import Decisions

    yield Decisions(site.ledger, site.directory, site.store), *site.ledger.import_(import_id)
