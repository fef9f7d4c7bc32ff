"""The data directory: where everything is on disk, and that only one service uses it at a time.

`spool/` is on the same filesystem as the tenants' folders, so that everything moves by rename.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from ingester.domain.errors import ConfigurationError, TransientError

#: Workers end with their parent; this is how long that may take.
_WORKERS_END_SECONDS = 15.0
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE}


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable. After a failure the file must not be trusted nor synced again."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class TenantFolders:
    """The four folders a tenant sees, and one that it does not."""

    root: Path

    @property
    def inbox(self) -> Path:
        """Where a local process may drop files; SFTP drops never touch it."""
        return self.root / "inbox"

    @property
    def outbox(self) -> Path:
        """Status files, error and rejects files."""
        return self.root / "outbox"

    @property
    def archive(self) -> Path:
        """Originals of imports that have ended, by day."""
        return self.root / "archive"

    @property
    def docs(self) -> Path:
        """Generated help for the tenant."""
        return self.root / "docs"

    @property
    def rules(self) -> Path:
        """Where the operator narrows and extends entities for this tenant alone; it need not exist."""
        return self.root / "rules"

    def create(self) -> None:
        """Make the folders."""
        for folder in (self.inbox, self.outbox, self.archive, self.docs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Every path under one data directory. Paths kept in a database are relative to `root`."""

    root: Path

    @property
    def ledger(self) -> Path:
        """SQLite file of the ledger."""
        return self.root / "ledger.db"

    @property
    def data(self) -> Path:
        """SQLite file of entity tables and outcomes."""
        return self.root / "ingester.db"

    @property
    def host_keys(self) -> Path:
        """SSH host keys."""
        return self.root / "host_keys"

    @property
    def secrets(self) -> Path:
        """Keys that were made for webhooks; the folder is made with the first."""
        return self.root / "secrets"

    def pgp(self, owner: str) -> Path:
        """OpenPGP keys of a tenant, or of the server, which is `*`; the folder is made with the first."""
        return self.root / "pgp" / ("server" if owner == "*" else f"tenants/{owner}")

    @property
    def incoming(self) -> Path:
        """Uploads in flight; nothing here was answered OK."""
        return self.root / "spool" / "incoming"

    @property
    def drops(self) -> Path:
        """Landed files whose import has not ended, named by drop id."""
        return self.root / "spool" / "drops"

    @property
    def quarantine(self) -> Path:
        """Landed files whose import failed, named by drop id."""
        return self.root / "spool" / "quarantine"

    @property
    def work(self) -> Path:
        """One scratch folder for each attempt."""
        return self.root / "spool" / "work"

    @property
    def sleepers(self) -> Path:
        """Sockets of sleeping workers of this machine; a directory may be shared by several."""
        return self.root / "run" / "wake" / socket.gethostname()

    @property
    def announcement(self) -> Path:
        """What a running service says of itself: `{"pid", "host", "sftp_port", "http_host", "http_port"}`."""
        return self.root / "run" / "up.json"

    def tenant(self, name: str) -> TenantFolders:
        """One tenant's folders."""
        return TenantFolders(self.root / "tenants" / name)

    def drop_file(self, drop_id: str, location: str) -> Path:
        """Where a drop's bytes are: at its recorded location, or where a crash left them on the way there."""
        places = (self.root / location, self.drops / drop_id, self.quarantine / drop_id)
        return next((place for place in places if place.exists()), places[0])

    def relative(self, path: Path) -> str:
        """How a path under this directory is written in a database."""
        return str(path.relative_to(self.root))

    def create(self) -> None:
        """Make the directory and its folders, readable by the service's user and group only."""
        try:
            for folder in (self.incoming, self.drops, self.quarantine, self.work, self.sleepers, self.root / "tenants"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            for folder in (self.root, self.incoming.parent):
                sync_folder(folder)
            probe = self.incoming / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            trouble = f"the data directory {self.root} cannot be written: {error.strerror}"
            if error.errno in _PASSING:
                raise TransientError(trouble) from error
            raise ConfigurationError(
                trouble,
                fix="Create it for this user, or choose another with --data-dir or INGESTER_DATA_DIR.",
            ) from error

    def identity(self) -> str:
        """What tells this directory from every other one, whatever it is called and wherever it is mounted."""
        path = self.root / "id"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            pass
        made = self.root / f".id.{secrets.token_hex(8)}"
        made.write_text(f"{uuid.uuid4()}\n")
        sync_file(made)
        # Of two processes that are first at the same time, one is.
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
        sync_folder(self.root)
        return path.read_text().strip()

    def lock(self, *, shared: bool = False) -> int:
        """Take the directory for this process, or `shared` for one of several roles; released when it ends.

        Unless shared it returns only when the workers of an earlier service, which may have been killed alone, are
        gone too: whoever holds this lock can be sure to be alone.
        """
        descriptor = os.open(self.root / "run" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise ConfigurationError(
                f"another ingester (process {holder or 'unknown'}) is using the data directory {self.root}",
                fix="Stop it (`up` and `serve` exclude each other), or choose another with --data-dir.",
            ) from None
        if shared:
            return descriptor
        self._wait_for_workers()
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def join_workers(self) -> int:
        """Say, for as long as this process lives, that a worker uses the directory."""
        descriptor = self._open_workers_lock()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def _wait_for_workers(self) -> None:
        descriptor = self._open_workers_lock()
        deadline = time.monotonic() + _WORKERS_END_SECONDS
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ConfigurationError(
                            f"workers of an earlier ingester are still using the data directory {self.root}",
                            fix="Find them with `ps` and stop them.",
                        ) from None
                    time.sleep(0.05)
                else:
                    return
        finally:
            os.close(descriptor)

    def _open_workers_lock(self) -> int:
        return os.open(self.root / "run" / "workers.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
