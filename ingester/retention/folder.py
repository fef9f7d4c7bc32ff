"""Reading and clearing a folder that others may write into: by descriptor, never through a link."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

log = structlog.get_logger()

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class File:
    """A regular file in a folder."""

    name: str
    size: int
    #: When it was last written, renamed or given other rights; nobody can set that.
    changed_at: datetime


def names(folder: Path) -> list[str]:
    """What a folder holds; nothing if it is none, or a link to one."""
    try:
        descriptor = os.open(folder, _FOLDER)
    except OSError:
        return []
    try:
        return sorted(os.listdir(descriptor))  # noqa: PTH208 -- by descriptor
    finally:
        os.close(descriptor)


def slices(folder: Path, most: int) -> Iterator[list[File]]:
    """The regular files of a folder, `most` at a time."""
    try:
        descriptor = os.open(folder, _FOLDER)
    except OSError:
        return
    try:
        files: list[File] = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode):
                    files.append(File(entry.name, found.st_size, datetime.fromtimestamp(found.st_ctime, UTC)))
                if len(files) == most:
                    yield files
                    files = []
        if files:
            yield files
    finally:
        os.close(descriptor)


def remove(folder: Path, files: list[str]) -> None:
    """Remove files from a folder; what cannot be removed is said and stays for the next time."""
    if not files:
        return
    try:
        descriptor = os.open(folder, _FOLDER)
    except FileNotFoundError:
        return
    try:
        for name in files:
            try:
                os.unlink(name, dir_fd=descriptor)
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("not_removed", folder=str(folder), file=name, error=str(error))
    finally:
        os.close(descriptor)


def remove_empty(folder: Path) -> None:
    """Remove a folder if nothing is left in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
