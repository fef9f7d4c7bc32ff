"""What a crash may have left is finished, queued again or removed.

Whoever is alone on the data directory, as `ingester up` is, judges everything at start-up. Where several processes
share it, nothing is touched that a living one may be writing: leases run out, the scheduler tells what nobody else
will, and what lies in the spool is a matter of `retention/`.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from functools import partial

import structlog

from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError
from ingester.domain.status import Status
from ingester.fileset import FileSets
from ingester.outbox import publish, status
from ingester.queue import Queue
from ingester.store.database import now
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import

log = structlog.get_logger()

#: The last imports that failed or were canceled: one of them may have stopped between its commit and its status file.
_STOPPED_LOOKED_AT = 1000
#: Whoever has not told within this time will not.
_TOLD_WITHIN = timedelta(minutes=15)


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
    for folder in (directory.drops, directory.quarantine):
        files = {file.name: file for file in folder.iterdir()}
        for name in files.keys() - ledger.known_drops(files):
            log.info("unrecorded_drop_removed", drop=name)
            files[name].unlink()
    requeued = Queue(ledger).recover(everything=True)
    if requeued:
        log.info("imports_requeued", imports=len(requeued))
    # Before the leftovers go: what was to be shown of archives is among them.
    FileSets(ledger, directory).close_all()
    kept = {directory.root / outcome.workspace for outcome in store.unpublished()}
    for leftover in directory.work.iterdir():
        if leftover.is_file():
            leftover.unlink()
        elif leftover / "outbox" not in kept:
            shutil.rmtree(leftover)
    # A service that ended well has told everything; after a crash the last word may be missing.
    stopped = ledger.stopped(_STOPPED_LOOKED_AT) if directory.announcement.exists() else ()
    for job, drop in [*ledger.waiting(), *stopped]:
        if job.is_set:
            continue
        # An applied import's own status file is published by its worker, or was already.
        if store.outcome(job.id) is None:
            _settle(ledger, directory, job, drop)


def tell(ledger: Ledger, store: DataStore, directory: DataDirectory) -> None:
    """Show what a process that died a while ago could not, while others live.

    Each is shown while nobody can change it. Older ones were told, and the customer may have deleted the file.
    """
    queue = Queue(ledger)

    def show(drop: Drop, job: Import) -> None:
        _show(directory, job, drop)

    for job, drop in ledger.waiting():
        told = status.told(directory.tenant(job.tenant).outbox, job, drop)
        unheard = job.status is Status.QUEUED and not job.attempts and (told is None or Status(told).ended)
        if (unheard or job.status is Status.NEEDS_ATTENTION) and store.outcome(job.id) is None:
            queue.tell(job, job.status, partial(show, drop))
    for job, drop in ledger.stopped(_STOPPED_LOOKED_AT, now() - _TOLD_WITHIN):
        if job.is_set:
            continue
        if store.outcome(job.id) is None and queue.tell(job, job.status, partial(show, drop)):
            _put_away(ledger, directory, job, drop)


def _settle(ledger: Ledger, directory: DataDirectory, job: Import, drop: Drop) -> None:
    """Finish what was decided about an import that is not applied: its status file, its original's place."""
    _show(directory, job, drop)
    _put_away(ledger, directory, job, drop)


def _show(directory: DataDirectory, job: Import, drop: Drop) -> None:
    outbox = directory.tenant(job.tenant).outbox
    # It is not there once the tenant was removed, and its folders with it.
    if outbox.is_dir() and status.told(outbox, job, drop) != job.status:
        status.put(outbox, status.document(job, drop), directory.work)


def _put_away(ledger: Ledger, directory: DataDirectory, job: Import, drop: Drop) -> None:
    there = directory.tenant(job.tenant).archive.is_dir()
    if there and job.status is Status.CANCELED and job.completed_at is not None:
        location = publish.archive(directory, job, drop, job.completed_at)
        if location != drop.location:
            ledger.relocate(drop.id, location)
