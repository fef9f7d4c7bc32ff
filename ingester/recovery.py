"""What a crash may have left is finished, queued again or removed: at start-up, and by the scheduler now and then.

Whoever is alone on the data directory, as `ingester up` is, may judge everything at once. Where several processes share
it, only what has been left for a while is judged, and nothing that a living one may be writing.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import structlog

from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError
from ingester.domain.status import Status
from ingester.outbox import publish, status
from ingester.queue import Queue
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import

log = structlog.get_logger()

#: The last imports that failed or were canceled: one of them may have stopped between its commit and its status file.
_STOPPED_LOOKED_AT = 1000
#: Nothing that lives leaves a file untouched for so long without having recorded it.
ABANDONED = timedelta(hours=6)


def refuse_strangers(ledger: Ledger, directory: DataDirectory) -> None:
    """Raise ConfigurationError unless this data directory is the one whose drops the ledger knows."""
    known = ledger.claim_site(directory.identity())
    if known != directory.identity():
        raise ConfigurationError(
            f"the database belongs to another data directory than {directory.root}",
            fix="Share that one (its file `id` says "
            f"{known}) with this machine, over NFS for example; or use a database of its own.",
        )


def reconcile(ledger: Ledger, store: DataStore, directory: DataDirectory) -> None:
    """Bring spool, ledger and outcomes back into agreement, under the data directory's lock.

    An import that is applied but not published is queued again: its worker finds the applied marker and publishes.
    """
    for upload in directory.incoming.iterdir():
        upload.unlink()  # never answered OK
    requeued = Queue(ledger).recover(everything=True)
    if requeued:
        log.info("imports_requeued", imports=len(requeued))
    sweep(ledger, store, directory, timedelta())
    # A service that ended well has told everything; after a crash the last word may be missing.
    stopped = ledger.stopped(_STOPPED_LOOKED_AT) if directory.announcement.exists() else ()
    for job, drop in [*ledger.waiting(), *stopped]:
        # An applied import's own status file is published by its worker, or was already.
        if store.outcome(job.id) is None:
            _settle(ledger, directory, job, drop)


def sweep(ledger: Ledger, store: DataStore, directory: DataDirectory, older_than: timedelta = ABANDONED) -> None:
    """Remove what nobody will ever finish, if nothing has touched it for so long."""
    # Whoever is alone need not ask a clock that may have been set.
    before = time.time() - older_than.total_seconds() if older_than else math.inf
    for upload in _left(directory.incoming, before):
        upload.unlink(missing_ok=True)
    for folder in (directory.drops, directory.quarantine):
        files = {file.name: file for file in _left(folder, before)}
        for name in files.keys() - ledger.known_drops(files):
            log.info("unrecorded_drop_removed", drop=name)
            files[name].unlink(missing_ok=True)
    kept = {directory.root / outcome.workspace for outcome in store.unpublished()}
    unended = {job.id for job, _ in ledger.waiting()} if older_than else set[str]()
    for leftover in _left(directory.work, before):
        if leftover.is_file():
            leftover.unlink(missing_ok=True)
        elif leftover / "outbox" not in kept and leftover.name.partition(".")[0] not in unended:
            shutil.rmtree(leftover, ignore_errors=bool(older_than))


def tell(ledger: Ledger, store: DataStore, directory: DataDirectory) -> None:
    """Show what a process that died could not, while others live: only where nobody can be about to show more."""
    for job, drop in ledger.waiting():
        outbox = directory.tenant(job.tenant).outbox
        if job.status is Status.QUEUED and outbox.is_dir() and status.told(outbox, job, drop) is None:
            status.put(outbox, status.document(job, drop), directory.work, replace=False)
        elif job.status is Status.NEEDS_ATTENTION and store.outcome(job.id) is None:
            _settle(ledger, directory, job, drop)
    for job, drop in ledger.stopped(_STOPPED_LOOKED_AT):
        if store.outcome(job.id) is None:
            _settle(ledger, directory, job, drop)


def _left(folder: Path, before: float) -> Iterable[Path]:
    for path in folder.iterdir():
        try:
            # The change time: a rename sets it, and nobody can set it back.
            if path.lstat().st_ctime <= before:
                yield path
        except FileNotFoundError:
            continue


def _settle(ledger: Ledger, directory: DataDirectory, job: Import, drop: Drop) -> None:
    """Finish what was decided about an import that is not applied: its status file, its original's place."""
    outbox = directory.tenant(job.tenant).outbox
    if not outbox.is_dir():
        return  # the tenant was removed, and its folders with it
    if status.told(outbox, job, drop) != job.status:
        status.put(outbox, status.document(job, drop), directory.work)
    if job.status is Status.CANCELED and job.completed_at is not None:
        location = publish.archive(directory, job, drop, job.completed_at)
        if location != drop.location:
            ledger.relocate(drop.id, location)
