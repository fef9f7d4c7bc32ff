"""What clients see of a file: plausible owner, mode and times. Nothing of the real machine shows."""

from __future__ import annotations

import os
import stat
from datetime import datetime

from asyncssh import SFTPAttrs

# The same number for everybody: real ones say something about the machine and mean nothing to the client.
_USER = 1000
_LATEST = 0xFFFFFFFF


def file_attributes(size: int, modified_at: float | datetime, *, writable: bool) -> SFTPAttrs:
    """Describe a file of `size` bytes; times are seconds since the epoch or aware."""
    return _attributes(stat.S_IFREG | (0o644 if writable else 0o444), size, modified_at)


def folder_attributes(modified_at: float | datetime, *, writable: bool) -> SFTPAttrs:
    """Describe a folder."""
    return _attributes(stat.S_IFDIR | (0o755 if writable else 0o555), 4096, modified_at)


def attributes_of(status: os.stat_result, *, writable: bool) -> SFTPAttrs:
    """Describe what a real file or folder looks like."""
    if stat.S_ISDIR(status.st_mode):
        return folder_attributes(status.st_mtime, writable=writable)
    return file_attributes(status.st_size, status.st_mtime, writable=writable)


def _attributes(mode: int, size: int, modified_at: float | datetime) -> SFTPAttrs:
    seconds = modified_at.timestamp() if isinstance(modified_at, datetime) else modified_at
    # SFTP version 3 has 32 unsigned bits for it; a file from before 1970 must not end the session.
    modified = min(max(int(seconds), 0), _LATEST)
    return SFTPAttrs(permissions=mode, size=size, uid=_USER, gid=_USER, atime=modified, mtime=modified, nlink=1)
