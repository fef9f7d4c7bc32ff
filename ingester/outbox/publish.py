"""Putting finished outbox files in place after the commit. Every step can be repeated after a crash."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from ingester import fault
from ingester.directory import DataDirectory, sync_folder
from ingester.outbox import name as outbox_name
from ingester.store.data_tables import ImportOutcome
from ingester.store.ledger_tables import Drop, Import


def publish(directory: DataDirectory, outcome: ImportOutcome, job: Import, drop: Drop) -> str:
    """Put an applied import's reports into the outbox, its original into the archive, and the status file last.

    Whoever sees the status can count on the rest. Returns the original's new location.
    """
    outbox = directory.tenant(outcome.tenant).outbox
    finished = directory.root / outcome.workspace
    *reports, status_file = outcome.files
    for file in reports:
        _place(finished / file, outbox / file)
        fault.point("outbox.half_published")
    location = archive(directory, job, drop, outcome.committed_at)
    _place(finished / status_file, outbox / status_file)
    sync_folder(outbox)
    fault.point("outbox.published")
    return location


def _place(finished: Path, final: Path) -> None:
    # Not there: an earlier try already moved it, and the customer may have taken it away since.
    if finished.exists():
        finished.rename(final)


def archive(directory: DataDirectory, job: Import, drop: Drop, at: datetime) -> str:
    """Move a drop's original into the tenant's archive; returns its new location, relative to the data directory.

    What came in an archive goes: that archive is the original.
    """
    if job.is_member:
        directory.drop_file(drop.id, drop.location).unlink(missing_ok=True)
        return drop.location
    folder = directory.tenant(job.tenant).archive / f"{at:%Y-%m-%d}"
    if not folder.is_dir():
        folder.mkdir(exist_ok=True, mode=0o750)
        sync_folder(folder.parent)  # or a power cut could take the day's folder, and the original in it
    final = folder / outbox_name.stem(drop.name, job.short_id)
    _move(directory.drop_file(drop.id, drop.location), final)
    fault.point("archive.moved")
    return directory.relative(final)


def quarantine(directory: DataDirectory, drop: Drop) -> str:
    """Put aside the bytes of a drop whose import failed; returns their new location."""
    final = directory.quarantine / drop.id
    _move(directory.drop_file(drop.id, drop.location), final)
    return directory.relative(final)


def discard(directory: DataDirectory, job: Import) -> None:
    """Remove everything that any attempt at an import left in its workspace, once the import has ended."""
    for workspace in directory.work.glob(f"{job.id}.*"):
        shutil.rmtree(workspace, ignore_errors=True)


def _move(source: Path, final: Path) -> None:
    if source == final or not source.exists():
        return
    source.rename(final)
    # Where the rename is lost in a power cut, `drop_file` looks at the old place as well.
    sync_folder(final.parent)
