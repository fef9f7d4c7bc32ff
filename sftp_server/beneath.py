"""Opening files and folders below a real directory, one name at a time, never through a symbolic link.

Every step is an `openat` with `O_NOFOLLOW` on the folder opened before, so neither `..`, nor a planted link, nor one
swapped in while we look can lead out. String prefixes are never compared.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from asyncssh import SFTPNoSuchFile, SFTPPermissionDenied

from .name import is_showable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def folder(root: Path, names: Sequence[str] = (), *, make: bool = False) -> Iterator[int]:
    """Open the folder `names` below `root` for the time of a `with`; with `make`, missing ones are made.

    Raises `FileNotFoundError`, or `NotADirectoryError` for anything that is no folder, a link to one included.
    """
    descriptor = os.open(root, _FOLDER)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=descriptor)
            below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def look(name: str, folder_fd: int) -> os.stat_result:
    """Return what a name is: a regular file or a folder; anything else is refused."""
    status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise SFTPPermissionDenied(f"{name} is not a file")
    return status


def open_file(name: str | Path, folder_fd: int | None = None) -> int:
    """Open a regular file for reading and return its descriptor; anything else is refused."""
    try:
        # Without O_NONBLOCK, opening a planted FIFO would wait for a writer.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
    except FileNotFoundError:
        raise SFTPNoSuchFile("No such file") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SFTPPermissionDenied("This is not a file")
    return descriptor


def is_same(status: os.stat_result, other: os.stat_result) -> bool:
    """Whether two results describe one file."""
    return (status.st_dev, status.st_ino) == (other.st_dev, other.st_ino)


def shown(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what a folder entry is, or None if a client is not to see it: a link, a device, an unspeakable name."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not is_showable(entry.name) or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    return status
