"""Having the kernel write a long transaction's pages while it goes on, not all at once when it commits.

SQLite leaves hundreds of MiB of its log, and then of its database, in the page cache, and syncs them at the end. A
journalling filesystem commits in order: whoever syncs a small file just then, as an upload, waits for all of it.

A database's file must not be closed here: with any descriptor of it a process gives up its POSIX locks, those of
SQLite's own connections too, and the next process to disconnect takes itself for the last and removes the log with all
that was committed to it (https://www.sqlite.org/howtocorrupt.html, 2.2). The log's own file carries no locks.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Shorter transactions leave nothing that is worth it.
_EVERY_SECONDS = 0.03
#: Of sync_file_range(2): begin to write what is dirty and not being written, without waiting for it.
_WRITE = 2


@contextlib.contextmanager
def eased(database: Path | None) -> Iterator[None]:
    """Ease the write-back of a SQLite database for the time of a `with`; None: there is nothing to ease.

    It makes nothing durable, which remains SQLite's business, and where the system cannot do it nothing is done.
    """
    function = None if database is None else _sync_file_range()
    held = None if database is None else _held(database)
    if function is None or held is None:
        yield
        return
    done = threading.Event()

    def ease() -> None:
        while not done.wait(_EVERY_SECONDS):
            with contextlib.suppress(OSError):
                log = os.open(f"{database}-wal", os.O_RDONLY)
                try:
                    function(log, 0, 0, _WRITE)
                finally:
                    os.close(log)
            function(held, 0, 0, _WRITE)

    thread = threading.Thread(target=ease, name="writeback", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@cache
def _held(database: Path) -> int | None:
    """A descriptor of the database's file, for as long as the process lives."""
    try:
        return os.open(database, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


@cache
def _sync_file_range() -> ctypes._NamedFuncPointer | None:
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function
