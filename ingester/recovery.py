"""Start-up: what a crash may have left is finished, queued again or removed, before anything new is accepted.

Runs under the data directory's lock, so nobody else is at work.
"""

from __future__ import annotations

import shutil

import structlog

from ingester.directory import DataDirectory
from ingester.outbox import status
from ingester.queue import Queue
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger

log = structlog.get_logger()

#: The last imports that failed or were canceled: one of them may have stopped between its commit and its status file.
_STOPPED_LOOKED_AT = 1000


def reconcile(ledger: Ledger, store: DataStore, directory: DataDirectory) -> None:
    """Bring spool, ledger and outcomes back into agreement.

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
    kept = {directory.root / outcome.workspace for outcome in store.unpublished()}
    for leftover in directory.work.iterdir():
        if leftover.is_file():
            leftover.unlink()
        elif leftover / "outbox" not in kept:
            shutil.rmtree(leftover)
    for job, drop in [*ledger.waiting(), *ledger.stopped(_STOPPED_LOOKED_AT)]:
        outbox = directory.tenant(job.tenant).outbox
        # An applied import's own status file is published by its worker, or was already.
        if status.told(outbox, job, drop) != job.status and store.outcome(job.id) is None:
            status.put(outbox, status.document(job, drop), directory.work)
