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


def publish(directory: DataDirectory, outcome: ImportOutcome) -> None:
    """Rename an applied import's files into the tenant's outbox, the status file last."""
    outbox = directory.tenant(outcome.tenant).outbox
    finished = directory.root / outcome.workspace
    for file in outcome.files:
        source = finished / file
        # Not there: an earlier try already moved it, and the customer may have taken it away since.
        if source.exists():
            source.rename(outbox / file)
        fault.point("outbox.half_published")
    sync_folder(outbox)
    fault.point("outbox.published")


def archive(directory: DataDirectory, job: Import, drop: Drop, at: datetime) -> str:
    """Move a drop's original into the tenant's archive; returns its new location, relative to the data directory."""
    folder = directory.tenant(job.tenant).archive / f"{at:%Y-%m-%d}"
    folder.mkdir(exist_ok=True, mode=0o750)
    final = folder / outbox_name.stem(drop.name, job.short_id)
    _move(directory.drop_file(drop.id, drop.location), final)
    fault.point("archive.moved")
    return directory.relative(final)


def quarantine(directory: DataDirectory, drop: Drop) -> str:
    """Put aside the bytes of a drop whose import failed; returns their new location."""
    final = directory.quarantine / drop.id
    _move(directory.drop_file(drop.id, drop.location), final)
    return directory.relative(final)


def discard(directory: DataDirectory, outcome: ImportOutcome) -> None:
    """Remove the workspace of an import that is published."""
    shutil.rmtree(directory.root / outcome.workspace, ignore_errors=True)


def _move(source: Path, final: Path) -> None:
    if source == final or not source.exists():
        return
    source.rename(final)
    sync_folder(final.parent)
    sync_folder(source.parent)
