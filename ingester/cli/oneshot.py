"""`ingester import FILE` and `ingester validate FILE`: one file through the engine, without a service."""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ingester.cli.options import DataDir, Json, print_json, settings
from ingester.cli.summary import exit_code, print_summary
from ingester.domain.errors import Held, UnreadableFile, UsageError
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import DuplicateHandling, Origin, Status
from ingester.outbox import name as outbox_name
from ingester.outbox import status
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import Catalogue, Entity
from ingester.ruleset.shipped import in_force
from ingester.settings import Settings
from ingester.store.database import now
from ingester.store.ledger_tables import Drop, Import

if TYPE_CHECKING:
    from ingester.directory import DataDirectory
    from ingester.pipeline import Order
    from ingester.store.data_tables import ImportOutcome

IMPORT_EXAMPLES = (
    "Examples: `ingester import customers.csv --entity customer` · "
    "`ingester import customers.csv --entity customer --dry-run --out reports --json`"
)
VALIDATE_EXAMPLES = "Example: `ingester validate customers.csv --entity customer --out reports`"

_File = Annotated[Path, typer.Argument(help="The file.", show_default=False)]
_Entity = Annotated[str, typer.Option(help="What its rows are, as `customer` or `field_service.customer`.")]
_CatalogueName = Annotated[str | None, typer.Option("--catalogue", help="Where the entity is, if several have it.")]
_Rules = Annotated[Path | None, typer.Option("--rules", help="A folder of rule files to use as a catalogue.")]
_Tenant = Annotated[str, typer.Option(help="Whose records they are.")]
_Duplicates = Annotated[DuplicateHandling, typer.Option(help="Which of several rows with one key is kept.")]
_Out = Annotated[Path, typer.Option(help="Where the status, error and rejects files go. Default: here.")]


def import_file(
    file: _File,
    entity: _Entity,
    tenant: _Tenant = "default",
    catalogue: _CatalogueName = None,
    rules: _Rules = None,
    source: Annotated[str, typer.Option(help="Where its records come from.")] = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report and count, but change nothing.")] = False,
    duplicates: _Duplicates = DuplicateHandling.IGNORE_ALL,
    approve: Annotated[
        list[str] | None, typer.Option(help="A hold to go past, such as possibly_truncated; repeat for more.")
    ] = None,
    database_url: Annotated[str | None, typer.Option(help="Default: the data directory's ingester.db.")] = None,
    out: _Out = Path(),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Import one file at once. Exit code: 0 all rows accepted, 2 some refused, 3 failed, 4 held."""
    from ingester import pipeline
    from ingester.store.datastore import DataStore

    found = settings(data_dir, database_url=database_url)
    if not found.database_url:
        _make(found.data_dir, "--data-dir")
    rule = _rule(found, entity, catalogue, rules)
    store = DataStore.open(found.data_url)
    store.ensure_tables(rule.catalogue)
    job, drop = _job(file, rule.entity, tenant, source, duplicates, dry_run=dry_run)
    job.approved = approve or []

    def run(order: Order, directory: DataDirectory, workspace: Path) -> ImportOutcome:
        return pipeline.run(order, store, directory, workspace)

    _run(run, job, drop, rule.entity, out, as_json=as_json)


def validate_file(
    file: _File,
    entity: _Entity,
    catalogue: _CatalogueName = None,
    rules: _Rules = None,
    duplicates: _Duplicates = DuplicateHandling.IGNORE_ALL,
    out: _Out = Path(),
    as_json: Json = False,
) -> None:
    """Check a file's cells and keys without any database; `import --dry-run` checks references as well."""
    from ingester import pipeline

    rule = _rule(settings(), entity, catalogue, rules)
    job, drop = _job(file, rule.entity, "default", "default", duplicates, dry_run=True)
    _run(pipeline.check, job, drop, rule.entity, out, as_json=as_json)


class _Rule(NamedTuple):
    catalogue: Catalogue
    entity: Entity


def _rule(found: Settings, wanted: str, catalogue: str | None, folder: Path | None) -> _Rule:
    """The entity that `--entity`, `--catalogue` and `--rules` name."""
    catalogues = [load_folder(folder)] if folder is not None else list(in_force(found.rules_dirs).catalogues.values())
    rules = [
        _Rule(each, entity)
        for each in catalogues
        for entity in each
        if catalogue in (None, each.name) and wanted in (entity.name, entity.full_name)
    ]
    if len(rules) == 1:
        return rules[0]
    if not rules:
        raise UsageError(f"there is no entity '{wanted}'", fix="See `ingester rules list`.")
    names = ", ".join(rule.entity.full_name for rule in rules)
    raise UsageError(f"several catalogues have an entity '{wanted}'", fix=f"Say one of {names}.")


def _job(
    file: Path, entity: Entity, tenant: str, source: str, duplicates: DuplicateHandling, *, dry_run: bool
) -> tuple[Import, Drop]:
    """The rows that a ledger would hold for this file."""
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is not a regular file", fix="It is read more than once; save it to a file first.")
    try:
        with file.open("rb") as reader:
            digest = hashlib.file_digest(reader, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", fix="Check the path.") from None
    at, import_id = now(), str(uuid.uuid4())
    drop = Drop(
        id=str(uuid.uuid4()),
        tenant=tenant,
        origin=Origin.FOLDER,
        name=file.name,
        shown_folder="",
        shown_name=file.name,
        size=file.stat().st_size,
        sha256=digest,
        location=str(file.absolute()),
        landed_at=at,
    )
    job = Import(
        id=import_id,
        short_id=import_id[:8],
        tenant=tenant,
        drop_id=drop.id,
        catalogue=entity.catalogue,
        entity=entity.name,
        source=source,
        dry_run=dry_run,
        duplicate_handling=duplicates,
        status=Status.PROCESSING,
        due_at=at,
        created_at=at,
        started_at=at,
    )
    return job, drop


def _run(
    run: Callable[[Order, DataDirectory, Path], ImportOutcome],
    job: Import,
    drop: Drop,
    entity: Entity,
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Run one import, put its files into `out`, print what came of it and exit accordingly."""
    from ingester import log
    from ingester.directory import DataDirectory
    from ingester.pipeline import Order

    log.configure("auto", "WARNING")
    _make(out, "--out")
    status_file = out / outbox_name.status(drop.name, job.short_id)
    # Beside its destination, so that finished files move by rename.
    with tempfile.TemporaryDirectory(dir=out, prefix=".ingester-") as scratch, _progress(quiet=as_json) as on_phase:
        workspace = Path(scratch)
        try:
            outcome = run(
                Order(job=job, drop=drop, entity=entity, on_phase=on_phase), DataDirectory(workspace), workspace
            )
            for name in outcome.files:
                (workspace / outcome.workspace / name).rename(out / name)
        except UnreadableFile as error:
            _put(status_file, job, drop, Status.FAILED, error.code, error.reason)
        except Held as error:
            mend = f"{error.message}. Mend the file, or import it as it is with --approve {error.reason}"
            _put(status_file, job, drop, Status.NEEDS_ATTENTION, error.reason, mend)
    document = json.loads(status_file.read_text())
    if as_json:
        print_json(document)
    else:
        print_summary(document, out)
    raise typer.Exit(exit_code(document))


def _make(folder: Path, option: str) -> None:
    """Make a folder that an option names, and be sure that files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}", fix=f"Choose another with {option}."
        ) from None


def _put(path: Path, job: Import, drop: Drop, now_is: Status, reason: str, message: str) -> None:
    found = {"status": now_is.value, "reason": reason, "message": message, "completed_at": status.moment(now())}
    path.write_bytes(status.encode(status.document(job, drop, found)))


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[PhaseRecord], None]]:
    """A bar over the seven phases on a terminal; nothing on a pipe."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    with Progress(
        TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        names = [*PhaseName]
        task = bar.add_task(names[0], total=len(names))

        def advance(record: PhaseRecord) -> None:
            following = names.index(record.name) + 1
            bar.update(task, completed=following, description=names[min(following, len(names) - 1)])

        yield advance
