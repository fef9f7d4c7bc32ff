"""Checks of the disk: room for what comes, and what has gathered."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sqlmodel import col, select

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.domain.status import Status
from ingester.store.ledger_tables import Import

_GIB = 2**30
#: Less than this share left is worth a warning.
_SHARE = 0.05
_QUARANTINE_BYTES = _GIB
_FILES_LOOKED_AT = 100_000


def free_space(subject: Subject) -> Iterator[Finding]:
    """Whether there is room."""
    if not subject.exists:
        return
    found = os.statvfs(subject.directory.root)
    free, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    floor = subject.settings.http.min_free_bytes
    said = f"{free / _GIB:.1f} of {whole / _GIB:.1f} GiB are free"
    fix = "Make room or enlarge the filesystem; `du -xh --max-depth=3 {}` shows what takes it."
    if free < floor:
        yield wrong(said, fix.format(subject.directory.root))
    elif free < max(2 * floor, whole * _SHARE):
        yield warning(said, fix.format(subject.directory.root))
    else:
        yield ok(said)


def free_inodes(subject: Subject) -> Iterator[Finding]:
    """Whether more files can be made; some filesystems have no such bound."""
    if not subject.exists:
        return
    found = os.statvfs(subject.directory.root)
    if not found.f_files:
        return
    said = f"{found.f_favail:,} more files can be made"
    if found.f_favail < found.f_files * _SHARE:
        yield warning(
            said, f"Remove small files: `du --inodes -x --max-depth=3 {subject.directory.root}` shows where they are."
        )
    else:
        yield ok(said)


def quarantine(subject: Subject) -> Iterator[Finding]:
    """How much has been put aside."""
    folder = subject.directory.quarantine
    if not folder.is_dir():
        return
    files = size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            files, size = files + 1, size + entry.stat(follow_symlinks=False).st_size
            if files == _FILES_LOOKED_AT:
                break
    said = f"{files:,} files with {size / 2**20:.0f} MiB are in quarantine"
    if size > _QUARANTINE_BYTES or files == _FILES_LOOKED_AT:
        yield warning(
            said, "`ingester imports list --status failed` says what they are; retry them or have them purged."
        )
    else:
        yield ok(said)


def leftovers(subject: Subject) -> Iterator[Finding]:
    """Whether there are workspaces that nobody works in."""
    work = subject.directory.work
    if subject.ledger is None or not work.is_dir():
        return
    folders = [path.name for path in work.iterdir() if path.is_dir()]
    ids = {name.partition(".")[0] for name in folders}
    with subject.ledger.reading() as session:
        used = set(session.exec(select(Import.id).where(col(Import.status) == Status.PROCESSING)))
        known = set(session.exec(select(Import.id).where(col(Import.status).in_(_LATER))))
    left = ids - used - known
    if left:
        yield warning(
            f"{len(left)} workspaces in {work} belong to no import under way",
            "Start the service again; that removes them.",
        )
    else:
        yield ok(f"{len(folders)} workspaces, all of imports under way")


#: An applied import whose report waits to be published keeps its workspace.
_LATER = (Status.QUEUED, Status.NEEDS_ATTENTION)
