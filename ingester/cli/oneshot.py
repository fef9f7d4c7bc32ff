"""`ingester import FILE` and `ingester validate FILE`: one file through the engine, without a service."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import (
    ActionWord,
    DataDir,
    Duplicates,
    EmptyErases,
    Json,
    RemovalGuard,
    print_json,
    settings,
)
from ingester.cli.summary import exit_code, print_summary
from ingester.domain.errors import Held, TransientError, UnreadableFile, UsageError
from ingester.domain.name import refuse_odd_source, refuse_odd_tenant
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import REMOVAL_GUARD_PERCENT, Action, DuplicateHandling, Origin, Status

if TYPE_CHECKING:
    from ingester.directory import DataDirectory
    from ingester.domain.claim import Claims
    from ingester.formats.packed.pgp import Keyring
    from ingester.pipeline import Order
    from ingester.ruleset.model import Catalogue, Entity
    from ingester.settings import Settings
    from ingester.store.data_tables import ImportOutcome
    from ingester.store.ledger_tables import Drop, Import

IMPORT_EXAMPLES = (
    "Examples: `ingester import customers.csv --entity customer` · "
    "`ingester import customers.csv --entity customer --action update --dry-run --out reports --json`"
)
VALIDATE_EXAMPLES = "Example: `ingester validate customers.csv --entity customer --out reports`"

_HOLDS = (
    *("possibly_truncated", "mass_removal", "empty_overwrite", "companion_missing", "companion_unreadable"),
    *("checksum_mismatch", "count_mismatch", "sum_mismatch", "trailer_missing"),
)
_ATTEMPTS = 5
#: Files of an archive that are named at most.
_NAMED = 10
_FIRST_WAIT_SECONDS = 0.2

_File = Annotated[Path, typer.Argument(help="The file.", show_default=False)]
_EntityName = Annotated[str, typer.Option("--entity", help="What its rows are: `customer`, `field_service.customer`.")]
_CatalogueName = Annotated[str | None, typer.Option("--catalogue", help="Where the entity is, if several have it.")]
_Rules = Annotated[Path | None, typer.Option("--rules", help="A folder of rule files to use as a catalogue.")]
_Tenant = Annotated[str, typer.Option(help="Whose records they are.")]
_Source = Annotated[str, typer.Option(help="Where its records come from.")]
_Approve = Annotated[
    list[str] | None, typer.Option(help="A hold to go past, such as possibly_truncated; repeat for more.")
]
_Read = Annotated[
    list[str] | None,
    typer.Option(
        "--read", metavar="WORD=VALUE", help="How it is read, as a feed says it: encoding=cp1252; repeatable."
    ),
]
_Out = Annotated[Path, typer.Option(help="Where the status, error and rejects files go. Default: here.")]


def import_file(
    file: _File,
    entity: _EntityName,
    tenant: _Tenant = "default",
    catalogue: _CatalogueName = None,
    rules: _Rules = None,
    source: _Source = "default",
    action: ActionWord = Action.MERGE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report and count, but change nothing.")] = False,
    duplicates: Duplicates = DuplicateHandling.IGNORE_ALL,
    empty_erases: EmptyErases = False,
    removal_guard: RemovalGuard = REMOVAL_GUARD_PERCENT,
    approve: _Approve = None,
    read: _Read = None,
    database_url: Annotated[str | None, typer.Option(help="Default: the data directory's ingester.db.")] = None,
    out: _Out = Path(),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Import one file at once. Exit code: 0 all rows accepted, 2 some refused, 3 failed, 4 held."""
    found = settings(data_dir, database_url=database_url)
    within, chosen = _chosen(found, tenant, rules, entity, catalogue, action)
    job, drop = _job(file, chosen, tenant, source, action, duplicates, dry_run=dry_run)
    job.empty_erases, job.removal_guard_percent, job.approved = empty_erases, removal_guard, _known(approve)
    job.reads = _reads(read)
    if not found.database_url:
        _make(found.data_dir, "--data-dir")

    from ingester import pipeline
    from ingester.pipeline import Order
    from ingester.store.datastore import DataStore

    with closing(DataStore.open(found.data_url)) as store:
        store.ensure_tables(within)

        def run(order: Order, directory: DataDirectory, workspace: Path) -> ImportOutcome:
            for attempt in range(_ATTEMPTS):
                place = workspace / str(attempt)
                place.mkdir()
                try:
                    return pipeline.run(order, store, directory, place)
                except TransientError:
                    if (applied := store.outcome(order.job.id)) is not None:
                        return applied  # the commit was reached before the trouble
                    if attempt == _ATTEMPTS - 1:
                        raise
                    time.sleep(_FIRST_WAIT_SECONDS * 2**attempt)
            raise AssertionError("unreachable")

        order = Order(
            job=job,
            drop=drop,
            entity=chosen,
            referring=within.referring(chosen),
            block_bytes=found.worker.block_bytes,
            limits=found.limits,
            keys=_keys(found, tenant),
        )
        _run(run, order, out, published=store.published, as_json=as_json)


def validate_file(
    file: _File,
    entity: _EntityName,
    tenant: _Tenant = "default",
    catalogue: _CatalogueName = None,
    rules: _Rules = None,
    source: _Source = "default",
    action: ActionWord = Action.MERGE,
    duplicates: Duplicates = DuplicateHandling.IGNORE_ALL,
    approve: _Approve = None,
    read: _Read = None,
    out: _Out = Path(),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Check a file's cells and keys without any database; `import --dry-run` checks references as well."""
    found = settings(data_dir)
    _, chosen = _chosen(found, tenant, rules, entity, catalogue, action)
    job, drop = _job(file, chosen, tenant, source, action, duplicates, dry_run=True)
    job.approved, job.reads = _known(approve), _reads(read)

    from ingester import pipeline
    from ingester.pipeline import Order

    order = Order(
        job=job,
        drop=drop,
        entity=chosen,
        block_bytes=found.worker.block_bytes,
        limits=found.limits,
        keys=_keys(found, tenant),
    )
    _run(pipeline.check, order, out, as_json=as_json)


def _known(approved: list[str] | None) -> list[str]:
    """The holds to go past; one that does not exist would be held all the same, to nobody's benefit."""
    for reason in approved or []:
        if reason not in _HOLDS:
            raise UsageError(f"there is no hold '{reason}'", fix=f"Say one of {', '.join(_HOLDS)}.")
    return approved or []


def _reads(words: list[str] | None) -> dict[str, Any] | None:
    """How a file is read, as the ledger keeps it."""
    if not words:
        return None
    from ingester.cli.feed import reads_of

    return reads_of(words).said() or None


def _keys(found: Settings, tenant: str) -> Callable[[], Keyring]:
    """What decrypts a tenant's files, asked for when one is encrypted."""
    from ingester import keyring
    from ingester.directory import DataDirectory

    return partial(keyring.for_tenant, DataDirectory(found.data_dir), tenant)


def _chosen(
    found: Settings, tenant: str, folder: Path | None, wanted: str, catalogue: str | None, action: Action
) -> tuple[Catalogue, Entity]:
    """The entity that `--entity`, `--catalogue` and `--rules` name, as the tenant has it, and its catalogue."""
    from ingester.directory import DataDirectory
    from ingester.ruleset.choice import choose, refuse_senseless
    from ingester.ruleset.load import load, load_folder
    from ingester.ruleset.overlay import load_overlays
    from ingester.ruleset.shipped import with_added

    refuse_odd_tenant(tenant)
    own = DataDirectory(found.data_dir).tenant(tenant).rules
    if folder is not None:
        catalogues = [load_folder(folder)]
    elif own.is_dir():
        rules = load(with_added(found.rules_dirs))
        catalogues = list(rules.extended(load_overlays(own, rules)).catalogues.values())
    else:
        folders = with_added(found.rules_dirs)
        # A rule file is called after its entity: reading all the others takes longer than checking a small file.
        file = f"{wanted.rpartition('.')[2]}.yaml"
        likely = {name: path for name, path in folders.items() if (path / file).is_file()}
        catalogues = list(load(likely or folders).catalogues.values())
    entity = choose(catalogues, wanted, catalogue)
    refuse_senseless(entity, action)
    return next(each for each in catalogues if each.name == entity.catalogue), entity


def _job(
    file: Path,
    entity: Entity,
    tenant: str,
    source: str,
    action: Action,
    duplicates: DuplicateHandling,
    *,
    dry_run: bool,
) -> tuple[Import, Drop]:
    """The rows that a ledger would hold for this file."""
    from ingester.store.database import now
    from ingester.store.ledger_tables import Drop, Import

    refuse_odd_source(source)
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is not a regular file", fix="It is read more than once; save it to a file first.")
    try:
        with file.open("rb") as reader:
            digest = hashlib.file_digest(reader, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", fix="Check the path.") from None
    _refuse_several(file)
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
        action=action,
        dry_run=dry_run,
        duplicate_handling=duplicates,
        status=Status.PROCESSING,
        due_at=at,
        created_at=at,
        started_at=at,
    )
    return job, drop


def _refuse_several(file: Path) -> None:
    """UsageError for an archive of several files: which goes first, and what each one is, is a service's to know."""
    from ingester.domain.limits import Limits
    from ingester.formats.packed import archive

    try:
        found = archive.members(file, Limits()) if archive.is_archive(file) else []
    except UnreadableFile:
        return  # told where the file is read
    if len(found) > 1:
        names = ", ".join(member.name for member in found[:_NAMED]) + (", …" if len(found) > _NAMED else "")
        raise UsageError(
            f"{file} holds {len(found)} files: {names}",
            fix="Unpack it and import them one by one, parents first; or drop it into a service, which does both.",
        )


def _run(
    run: Callable[[Order, DataDirectory, Path], ImportOutcome],
    order: Order,
    out: Path,
    *,
    published: Callable[[str], None] = lambda _: None,
    as_json: bool,
) -> None:
    """Run one import, put its files into `out`, print what came of it and exit accordingly."""
    from ingester import log
    from ingester.directory import DataDirectory
    from ingester.outbox import name as outbox_name

    log.configure("auto", "WARNING")
    _make(out, "--out")
    job, drop = order.job, order.drop
    status_file = out / outbox_name.status(drop.name, job.short_id)
    # Beside its destination, so that finished files move by rename.
    with tempfile.TemporaryDirectory(dir=out, prefix=".ingester-") as scratch, _progress(quiet=as_json) as on_phase:
        workspace = Path(scratch)
        try:
            order = replace(order, claims=_claims(order), on_phase=on_phase)
            outcome = run(order, DataDirectory(workspace), workspace)
            for name in outcome.files:
                (workspace / outcome.workspace / name).rename(out / name)
            published(job.id)
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


def _claims(order: Order) -> list[Claims]:
    """What lies beside the file and says something of it. Raises Held where that is not so, or is not all there."""
    from ingester import manifest
    from ingester.domain import companion
    from ingester.domain.reads import Reads

    path, drop, reads = Path(order.drop.location), order.drop, order.job.reads or {}
    beside = manifest.lying_beside(path, Reads.model_validate(reads))
    awaited = companion.demanded(reads)
    for each in beside:
        awaited = companion.left(awaited, each.kind)
    manifest.missing(awaited, order.job.approved)
    return manifest.vouched(path, drop.name, drop.sha256, beside, order.job.approved)


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
    from ingester.outbox import status
    from ingester.store.database import now

    found = {"status": now_is.value, "reason": reason, "message": message, "completed_at": status.moment(now())}
    path.write_bytes(status.encode(status.document(job, drop, found)))


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[PhaseRecord], None]]:
    """A bar over the seven phases on a terminal; nothing on a pipe."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        names = [*PhaseName]
        task = bar.add_task(names[0], total=len(names))

        def advance(record: PhaseRecord) -> None:
            following = names.index(record.name) + 1
            bar.update(task, completed=following, description=names[min(following, len(names) - 1)])

        yield advance
