"""A file that a client reads: one descriptor, opened once, read at any offset."""

from __future__ import annotations

import os
from collections.abc import Callable

from asyncssh import SFTPAttrs

from .attribute import attributes_of


class Download:
    """An open file. `on_end` hears once how many bytes were sent."""

    def __init__(self, descriptor: int, *, writable: bool, on_end: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._writable = writable
        self._on_end = on_end
        self._sent = 0

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes; none at the end."""
        data = os.pread(self._descriptor, size, offset)
        self._sent += len(data)
        return data

    def attributes(self) -> SFTPAttrs:
        """Describe the open file."""
        return attributes_of(os.fstat(self._descriptor), writable=self._writable)

    def close(self) -> None:
        """Close it, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._on_end(self._sent)
