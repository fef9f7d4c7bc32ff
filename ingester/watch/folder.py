"""The folder watch: files that local processes drop into a tenant's physical inbox.

Events of watchdog are hints that shorten the wait; a regular look at every inbox is the truth. A file is complete
when its size and time have been still for a while; it is copied, since its writer may still hold it, and looked at
again after the copy. It is removed once it has landed; a crash in between is told by the file's own identity.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from ingester.directory import DataDirectory
from ingester.domain.errors import TransientError
from ingester.domain.name import is_unfinished
from ingester.domain.status import Origin
from ingester.intake import Arrival, Intake
from ingester.settings import FolderSettings
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants

log = structlog.get_logger()

_CHUNK = 1 << 20


class FolderWatch:
    """Watches every tenant's inbox in a thread of its own."""

    def __init__(self, ledger: Ledger, intake: Intake, directory: DataDirectory, settings: FolderSettings) -> None:
        self._ledger = ledger
        self._tenants = Tenants(ledger)
        self._intake = intake
        self._directory = directory
        self._settings = settings
        self._hint = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folder-watch", daemon=True)
        self._observer = Observer()
        #: Path → its identity and since when (monotonic) it has not changed.
        self._seen: dict[Path, tuple[str, float]] = {}

    def start(self) -> None:
        """Begin to watch."""
        self._observer.schedule(_Hint(self._hint), str(self._directory.root / "tenants"), recursive=True)
        self._observer.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; a file being copied is landed first."""
        self._stopping.set()
        self._hint.set()
        self._observer.stop()
        self._observer.join()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._hint.wait(self._settings.rescan_seconds)
            self._hint.clear()
            try:
                self.rescan()
            except (TransientError, OSError) as error:
                log.warning("folder_watch_waits", error=str(error))
            # Bounds how often a busy folder is looked at; an event meanwhile is not lost, it only waits.
            self._stopping.wait(min(0.2, self._settings.rescan_seconds))

    def rescan(self) -> None:
        """Look at every inbox once and land what is complete."""
        found: dict[Path, tuple[str, float]] = {}
        for tenant in self._tenants.all():
            inbox = self._directory.tenant(tenant.name).inbox
            for path in _files(inbox):
                identity = _identity(path)
                if identity is None:
                    continue
                before = self._seen.get(path)
                since = before[1] if before is not None and before[0] == identity else time.monotonic()
                found[path] = (identity, since)
                if time.monotonic() - since >= self._settings.settle_seconds:
                    self._land(tenant.name, inbox, path, identity)
        self._seen = found
        if found:
            # Something is settling: look again when the first of it can be done.
            self._stopping.wait(self._settings.settle_seconds / 4)
            self._hint.set()

    def _land(self, tenant: str, inbox: Path, path: Path, identity: str) -> None:
        if self._ledger.has_landed(identity):
            path.unlink(missing_ok=True)  # landed before a crash
            return
        copy = self._directory.incoming / secrets.token_hex(16)
        try:
            size, digest = _copy(path, copy)
            if _identity(path) != identity:
                copy.unlink()  # its writer went on: wait until it is still again
                return
            relative = path.relative_to(inbox)
            arrival = Arrival(
                tenant=tenant,
                origin=Origin.FOLDER,
                folder="" if relative.parent == Path() else str(relative.parent),
                name=path.name,
                path=copy,
                size=size,
                sha256=digest,
                origin_ref=identity,
            )
            self._intake.submit(arrival).result()
        except Exception as error:  # noqa: BLE001 -- one file's trouble must not stop the watch; it stays for the next look
            log.warning("folder_drop_not_landed", tenant=tenant, file=path.name, error=str(error))
            copy.unlink(missing_ok=True)
            return
        if _identity(path) == identity:
            path.unlink(missing_ok=True)


class _Hint(FileSystemEventHandler):
    def __init__(self, hint: threading.Event) -> None:
        self._event = hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Wake the watch for anything that happens in an inbox."""
        if "/inbox" in str(event.src_path) and event.event_type not in ("opened", "closed_no_write"):
            self._event.set()


def _files(inbox: Path) -> Iterator[Path]:
    """Finished regular files below an inbox; links are never followed."""
    for folder, folders, names in os.walk(inbox):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if not is_unfinished(name) and path.is_file() and not path.is_symlink():
                yield path


def _identity(path: Path) -> str | None:
    """What changes whenever this file is written to, replaced or renamed; None if it is gone."""
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    # The change time cannot be set by a program, unlike the modification time, and inodes are used again.
    parts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, path)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _copy(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file and hash what was copied; (bytes, sha256)."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
