"""The folder watch: files that local processes drop into a tenant's physical inbox.

Events of watchdog are hints that shorten the wait; a regular look at every inbox is the truth. A file is complete
when its size and time have been still for a while; it is copied, since its writer may still hold it, and looked at
again after the copy. It is removed once it has landed; a crash in between is told by the file's own identity.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from ingester.directory import DataDirectory
from ingester.domain.name import is_unfinished
from ingester.domain.status import Origin
from ingester.intake import Arrival, Intake
from ingester.settings import FolderSettings
from ingester.store.lease import Leadership
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants

log = structlog.get_logger()

_CHUNK = 1 << 20
_LONGEST_DELAY = 300.0
#: A landed file bears this name for the moment in which it is removed.
_ASIDE = ".ingester-taken-"


class FolderWatch:
    """Watches every tenant's inbox in a thread of its own."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        directory: DataDirectory,
        settings: FolderSettings,
        leadership: Leadership | None = None,
    ) -> None:
        self._ledger = ledger
        self._tenants = Tenants(ledger)
        self._intake = intake
        self._directory = directory
        self._settings = settings
        self._leadership = leadership
        self._hint = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folder-watch", daemon=True)
        self._observer = Observer()
        self._seen: dict[Path, _Seen] = {}
        self._listening: set[Path] = set()

    def start(self) -> None:
        """Begin to watch."""
        try:
            self._observer.start()
        except OSError as error:
            log.warning("folder_watch_without_events", error=str(error))
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether inboxes are looked at."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop watching; a file being copied is landed first."""
        self._stopping.set()
        self._hint.set()
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._hint.wait(self._settings.rescan_seconds)
            self._hint.clear()
            try:
                if self._may_watch():
                    self.rescan()
            except Exception as error:  # noqa: BLE001 -- see below
                # Whatever one look met, the next one is due: this thread serves every tenant.
                log.warning("folder_watch_waits", error=str(error))
            # Bounds how often a busy folder is looked at; an event meanwhile is not lost, it only waits.
            self._stopping.wait(min(0.2, self._settings.rescan_seconds))

    def _may_watch(self) -> bool:
        """Whether this is the one process that watches: two would land a file twice."""
        return self._leadership is None or self._leadership.renew()

    def rescan(self) -> None:
        """Look at every inbox once and land what is complete."""
        found: dict[Path, _Seen] = {}
        for tenant in self._tenants.all():
            inbox = self._directory.tenant(tenant.name).inbox
            if inbox not in self._listening:
                self._mend(inbox)
                self._listen(inbox)
            for path in _files(inbox):
                seen = self._look(path)
                if seen is None:
                    continue
                found[path] = seen
                if seen.due <= time.monotonic() and (self._leadership is None or self._leadership.holds):
                    try:
                        self._land(tenant.name, inbox, path, seen.identity)
                    except Exception as error:  # noqa: BLE001 -- see below
                        # One file's trouble is not the others'. It stays, and is tried less and less often.
                        found[path] = seen.later()
                        log.warning("folder_drop_not_landed", tenant=tenant.name, file=path.name, error=str(error))
        self._seen = found
        if any(seen.due <= time.monotonic() + self._settings.settle_seconds for seen in found.values()):
            # Something is settling: look again when it can be done.
            self._stopping.wait(self._settings.settle_seconds / 4)
            self._hint.set()

    def _mend(self, inbox: Path) -> None:
        """Finish what a crash interrupted while a landed file was taken away."""
        for aside in inbox.rglob(f"{_ASIDE}*"):
            if self._ledger.has_landed(f"{_lasting(aside)}:", prefix=True):
                aside.unlink()
            else:
                _put_back(aside, aside.with_name(aside.name.removeprefix(_ASIDE)[9:]))

    def _listen(self, inbox: Path) -> None:
        """Ask for events of one inbox; without them, as when a system limit is reached, the rescan still finds all."""
        self._listening.add(inbox)
        try:
            self._observer.schedule(_Hint(self._hint), str(inbox), recursive=True)
        except OSError as error:
            log.warning("folder_watch_without_events", folder=str(inbox), error=str(error))

    def _look(self, path: Path) -> _Seen | None:
        identity = _identity(path)
        if identity is None:
            return None
        before = self._seen.get(path)
        if before is not None and before.identity == identity:
            return before
        return _Seen(identity, time.monotonic() + self._settings.settle_seconds)

    def _land(self, tenant: str, inbox: Path, path: Path, identity: str) -> None:
        if not self._ledger.has_landed(identity):
            copy = self._directory.incoming / secrets.token_hex(16)
            try:
                size, digest = _copy(path, copy)
                if _identity(path) != identity:
                    return  # its writer went on: wait until it is still again
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
            finally:
                copy.unlink(missing_ok=True)
        _take_away(path, identity)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was at the last look, and when (monotonic) it is to be landed if it stays so."""

    identity: str
    due: float
    failures: int = 0

    def later(self) -> _Seen:
        """At the next look, then after a time that doubles with each failure."""
        delay = min(2.0**self.failures - 1, _LONGEST_DELAY)
        return _Seen(self.identity, time.monotonic() + delay, self.failures + 1)


class _Hint(FileSystemEventHandler):
    def __init__(self, hint: threading.Event) -> None:
        self._event = hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Wake the watch for anything that changes in an inbox."""
        if event.event_type not in ("opened", "closed_no_write"):
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
        # The change time cannot be set by a program, unlike the modification time, and inodes are used again.
        changed = path.stat(follow_symlinks=False).st_ctime_ns
        return f"{_lasting(path)}:{changed}:{hashlib.sha256(os.fsencode(path)).hexdigest()}"
    except FileNotFoundError:
        return None


def _lasting(path: Path) -> str:
    """The part of a file's identity that a rename keeps."""
    found = path.stat(follow_symlinks=False)
    return f"{found.st_dev}-{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"


def _take_away(path: Path, identity: str) -> None:
    """Remove a landed file, unless another took its place meanwhile."""
    aside = path.with_name(f"{_ASIDE}{secrets.token_hex(4)}-{path.name}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    # Renaming changes the change time: compare what it does not touch.
    if _lasting(aside) == identity.partition(":")[0]:
        aside.unlink()
    else:
        _put_back(aside, path)


def _put_back(aside: Path, path: Path) -> None:
    """Give a file its name back, unless yet another took it; then the next start finds this one."""
    with contextlib.suppress(FileExistsError):
        os.link(aside, path)
        aside.unlink()


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
