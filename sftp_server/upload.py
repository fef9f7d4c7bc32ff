"""One upload's life: writing → closed → landed | kept | abandoned.

Only `finish` can land a file, and only the handler of the client's own close request calls it. Every other ending
(end of the channel, a disconnect, a lost connection, a failed write) is `abandon`, which leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import Enum

from asyncssh import SFTPError, SFTPFailure, SFTPQuotaExceeded

from .spool import SpoolFile


class State(Enum):
    """Where an upload is in its life."""

    WRITING = "writing"
    CLOSED = "closed"
    ENDED = "ended"


class OpenUpload:
    """A file that a client is writing.

    `settle` lands or keeps the complete file and raises an `SFTPError` otherwise; `on_end` hears once how it ended:
    None, or the reason why the upload was abandoned.
    """

    def __init__(
        self,
        file: SpoolFile,
        *,
        folder: str,
        name: str,
        limit: int,
        append: bool,
        settle: Callable[[OpenUpload], Awaitable[None]],
        on_end: Callable[[OpenUpload, str | None], None],
    ) -> None:
        self.file = file
        self.folder = folder
        self.name = name
        self.started_at = datetime.now(UTC)
        self.state = State.WRITING
        self.received = 0
        #: Why it cannot land any more: a write that failed, or the client removed it while writing.
        self.spoiled: str | None = None
        self._limit = limit
        self._append = append
        self._settle = settle
        self._on_end = on_end

    async def write(self, offset: int, data: bytes) -> None:
        """Write all of `data` or spoil the upload: after one failed write nothing of it can land."""
        if self._append:
            offset = self.file.size
        self._check(offset + len(data))
        try:
            await self.file.write(offset, data)
        except BaseException as error:
            self._spoil(error)
            raise
        self.received += len(data)

    def truncate(self, size: int) -> None:
        """Set the size, within the limit for files."""
        self._check(size)
        try:
            self.file.truncate(size)
        except BaseException as error:
            self._spoil(error)
            raise

    async def finish(self) -> None:
        """The client closed the file: land it, or raise what the client is to be told."""
        if self.state is not State.WRITING:
            raise SFTPFailure("The file is closed already")
        self.state = State.CLOSED
        reason: str | None = "the server could not store the file"
        try:
            if self.spoiled:
                raise SFTPFailure(f"The upload failed and was not received: {self.spoiled}")
            await self._settle(self)
            reason = None
        except SFTPError as error:
            reason = error.reason
            raise
        finally:
            self._end(reason)

    def abandon(self, reason: str) -> None:
        """Forget the upload and remove what was written; harmless once it has ended or is landing."""
        if self.state is State.WRITING:
            self._end(self.spoiled or reason)

    def _check(self, size: int) -> None:
        if self.spoiled:
            raise SFTPFailure(f"The upload failed: {self.spoiled}")
        if size > self._limit:
            self.spoiled = f"files must not be larger than {self._limit} bytes"
            raise SFTPQuotaExceeded(f"The upload failed: {self.spoiled}")

    def _spoil(self, error: BaseException) -> None:
        self.spoiled = (error.strerror if isinstance(error, OSError) else None) or "it could not be written"

    def _end(self, reason: str | None) -> None:
        self.state = State.ENDED
        self.file.discard()
        self._on_end(self, reason)
