"""Folders and files below an inbox, opened one name at a time and never through a link that somebody planted.

A process that may write into an inbox could else swap a folder for a link between a look and a copy, and have any file
imported that the service can read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: A file's place: the folder relative to the inbox, empty for the inbox itself, and its name.
Place = tuple[str, str]
#: What changes whenever a file is written to, replaced or renamed: inode, size, modified, changed (nanoseconds).
Facts = tuple[int, int, int, int]

#: Names under which landed files lie for the moment in which they are removed.
ASIDE = ".ingester-taken-"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DEEPEST = 16


@contextmanager
def opened(root: Path, folder: str = "") -> Iterator[int]:
    """Open a folder below `root` for the time of a `with`; `root` itself may be a link, an operator made it.

    Raises FileNotFoundError, or NotADirectoryError for anything that is no folder, a link to one included.
    """
    descriptor = os.open(root, _FOLDER)
    try:
        for name in folder.split("/") if folder else ():
            below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The entries of an inbox and of every folder in it, each with its folder; those of hidden folders are left out.

    A folder that goes away meanwhile has none; so has one that lies deeper than any that means something.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with opened(root, folder) as descriptor, os.scandir(descriptor) as found:
                for entry in found:
                    yield folder, entry
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        below = joined(folder, entry.name)
                        if below.count("/") < _DEEPEST:
                            folders.append(below)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue


def joined(folder: str, name: str) -> str:
    """A name below a folder."""
    return f"{folder}/{name}" if folder else name


def facts(found: os.stat_result) -> Facts:
    """What tells one version of a file from another. Programs can set the time of modification, but not of change."""
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def look(folder: int, name: str) -> Facts | None:
    """The facts of a regular file; None for anything else, and for what is gone."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return facts(found) if stat.S_ISREG(found.st_mode) else None
