"""Having the kernel write a long transaction's pages while it goes on, not all at once when it commits.

SQLite leaves hundreds of MiB of its log, and then of its database, in the page cache, and syncs them at the end. A
journalling filesystem commits in order: whoever syncs a small file just then, as an upload, waits for all of it.
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
    if database is None or function is None:
        yield
        return
    done = threading.Event()

    def ease() -> None:
        while not done.wait(_EVERY_SECONDS):
            for path in (f"{database}-wal", database):
                with contextlib.suppress(OSError):
                    descriptor = os.open(path, os.O_RDONLY)
                    try:
                        function(descriptor, 0, 0, _WRITE)
                    finally:
                        os.close(descriptor)

    thread = threading.Thread(target=ease, name="writeback", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@cache
def _sync_file_range() -> ctypes._NamedFuncPointer | None:
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function
