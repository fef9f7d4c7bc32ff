"""Files in flight: written and hashed in a folder no client sees, and gone again unless somebody takes them over.

A spool file is locked (`flock`) while its upload lives, in this process or another one on the same spool; what is
not locked is left over from a crash and is removed at start. What a file means is `upload.py`'s business.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import beneath

_SUFFIX = ".writing"
# A thread hashes a block while the event loop receives the next; below this, handing it over costs more than hashing.
_BLOCK = 1 << 20
_INLINE = 1 << 16


class SpoolFile:
    """One file in flight and the SHA-256 of what was written to it."""

    def __init__(self, path: Path, descriptor: int, run: Callable[..., asyncio.Future[None]]) -> None:
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        self._run = run
        self._source = -1
        # The digest covers the first `_hashed` bytes, `_waiting` included; None once a write was out of order.
        self._digest: hashlib._Hash | None = hashlib.sha256() if self.size == 0 else None
        self._hashed = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._hashing: asyncio.Future[None] | None = None

    async def write(self, offset: int, data: bytes) -> None:
        """Write all of `data`, or raise `OSError`."""
        written = os.pwrite(self._descriptor, data, offset)
        if written != len(data):
            raise OSError(errno.ENOSPC, "only a part could be written")
        self.size = max(self.size, offset + written)
        if self._digest is None:
            return
        if offset != self._hashed:
            self._digest = None
            self._waiting.clear()
            return
        self._hashed += written
        self._waiting.append(data)
        self._waiting_bytes += written
        if self._waiting_bytes >= _BLOCK:
            await self._hash_in_thread(self._digest)

    def read(self, offset: int, size: int) -> bytes:
        """Read back what was written."""
        return os.pread(self._descriptor, size, offset)

    def truncate(self, size: int) -> None:
        """Cut or extend the file to `size` bytes."""
        os.ftruncate(self._descriptor, size)
        self.size = size
        if size < self._hashed:
            self._digest = None
            self._waiting.clear()

    async def sync(self) -> None:
        """Flush to disk, in a thread."""
        await self._run(os.fsync, self._descriptor)

    async def fill(self, source: int) -> None:
        """Begin with everything from another descriptor, copied in a thread; it is closed with this file."""
        self._source = source
        await self._run(_copy, source, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size
        self._digest = None

    async def sha256(self) -> str:
        """Return the digest of the whole file; read again in a thread if it was not written front to back."""
        digest = self._digest
        if digest is not None and self._hashed == self.size:
            if self._hashing is None and self._waiting_bytes <= _INLINE:
                _update(digest, self._waiting)
            else:
                await self._hash_in_thread(digest)
        else:
            digest = hashlib.sha256()
            await self._run(_hash_all, digest, self._descriptor)
        if self._hashing is not None:
            await self._hashing
        return digest.hexdigest()

    def discard(self) -> None:
        """Close the file and remove it, unless somebody moved it away."""
        if self._descriptor < 0:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
        if self._source >= 0:
            os.close(self._source)

    async def _hash_in_thread(self, digest: hashlib._Hash) -> None:
        # One block at a time: a client that is faster than the hash waits here.
        if self._hashing is not None:
            await self._hashing
        blocks, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._hashing = self._run(_update, digest, blocks)


class Spool:
    """The folder of files in flight, and the threads that hash them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sftp-spool")

    def remove_leftovers(self) -> int:
        """Remove what a crashed process left behind and return how many files that were.

        Raises `OSError` if there is no such folder.
        """
        removed = 0
        for path in [path for path in self.folder.iterdir() if path.suffix == _SUFFIX]:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                if _lock(descriptor):
                    path.unlink(missing_ok=True)
                    removed += 1
            finally:
                os.close(descriptor)
        return removed

    def create(self, name: str) -> SpoolFile:
        """Make an empty file; `name` must be unique."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        for attempt in itertools.count():
            path = self._path(f"{name}-{attempt}")
            descriptor = os.open(path, flags, 0o600)
            # Another process that starts just now may have taken it for a leftover before it was locked.
            if _lock(descriptor) and os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)
        return SpoolFile(path, descriptor, self._run)

    async def continue_from(self, name: str, source: str, folder_fd: int) -> SpoolFile:
        """Make a file that begins with a copy of `source`."""
        return await self._copy(name, beneath.open_file(source, folder_fd))

    async def adopt(self, name: str, source: str, folder_fd: int) -> SpoolFile:
        """Take the file `source` into the spool as it is, leaving it where it is too.

        A second name of the same file where the system allows it, a copy otherwise. The source stays locked until
        this file is discarded; raises `BlockingIOError` if somebody else is taking it, `FileNotFoundError` if it
        was taken.
        """
        descriptor = beneath.open_file(source, folder_fd)
        path = self._path(name)
        try:
            _claim(descriptor, source, folder_fd)
            if os.fstat(descriptor).st_uid == os.geteuid() and self._link(source, folder_fd, path):
                return SpoolFile(path, descriptor, self._run)
        except BaseException:
            os.close(descriptor)
            raise
        return await self._copy(name, descriptor)

    def _link(self, source: str, folder_fd: int, path: Path) -> bool:
        try:
            os.link(source, path, src_dir_fd=folder_fd, follow_symlinks=False)
        except OSError:
            return False  # another file system, or one without hard links
        return True

    async def _copy(self, name: str, source: int) -> SpoolFile:
        try:
            file = self.create(name)
        except BaseException:
            os.close(source)
            raise
        try:
            await file.fill(source)
        except BaseException:
            file.discard()
            raise
        return file

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _run(self, work: Callable[..., None], *arguments: object) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _claim(descriptor: int, name: str, folder_fd: int) -> None:
    """Lock a file that still has its name, or raise."""
    if not _lock(descriptor):
        raise BlockingIOError(errno.EAGAIN, "the file is being taken already")
    if not beneath.is_same(beneath.look(name, folder_fd), os.fstat(descriptor)):
        raise FileNotFoundError(errno.ENOENT, "the file was replaced meanwhile")


def _update(digest: hashlib._Hash, blocks: list[bytes]) -> None:
    for block in blocks:
        digest.update(block)


def _hash_all(digest: hashlib._Hash, descriptor: int) -> None:
    offset = 0
    while block := os.pread(descriptor, _BLOCK, offset):
        digest.update(block)
        offset += len(block)


def _copy(source: int, target: int) -> None:
    offset = 0
    os.lseek(target, 0, os.SEEK_END)
    while sent := os.sendfile(target, source, offset, 8 * _BLOCK):
        offset += sent
