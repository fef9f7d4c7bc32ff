"""A folder that is only read from (outbox, archive, docs), where some let the client delete files."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator

from asyncssh import SFTPAttrs, SFTPFailure, SFTPName

from . import beneath
from .attribute import attributes_of
from .context import Context, Session
from .download import Download
from .name import Names, show
from .owner import Folder
from .room import Fixed


class Shelf(Fixed):
    """A real folder and everything below it, as the client may see it. Paths are relative to the folder."""

    def __init__(self, context: Context, session: Session, top: str, folder: Folder) -> None:
        super().__init__(session, f"/{top}")
        self._context = context
        self._folder = folder

    async def stat(self, names: Names) -> SFTPAttrs:
        """Describe a file or folder."""
        with beneath.folder(self._folder.path, names[:-1]) as parent:
            status = beneath.look(names[-1], parent) if names else os.fstat(parent)
        return attributes_of(status, writable=self._folder.remove)

    async def list(self, names: Names) -> AsyncIterator[SFTPName]:
        """List a folder, reading it as the client asks for more."""
        with beneath.folder(self._folder.path, names) as folder, os.scandir(folder) as entries:
            for entry in entries:
                status = beneath.shown(entry)
                if status is not None:
                    yield SFTPName(entry.name.encode(), attrs=attributes_of(status, writable=self._folder.remove))

    async def read(self, names: Names) -> Download:
        """Open a file for reading."""
        path = f"{self.path}{show(names)}"
        if not names:
            raise SFTPFailure(f"{path} is a folder")
        with beneath.folder(self._folder.path, names[:-1]) as parent:
            descriptor = beneath.open_file(names[-1], parent)
        return Download(
            descriptor,
            writable=self._folder.remove,
            on_end=lambda sent: self._context.audit(self.session.event("download", path=path, size=sent)),
        )

    async def remove(self, names: Names) -> None:
        """Delete a file where the folder allows it."""
        if not self._folder.remove:
            raise self.session.read_only(self.path)
        path = f"{self.path}{show(names)}"
        if not names:
            raise SFTPFailure(f"{path} is a folder")
        with beneath.folder(self._folder.path, names[:-1]) as parent:
            status = beneath.look(names[-1], parent)
            if stat.S_ISDIR(status.st_mode):
                raise SFTPFailure(f"{path} is a folder")
            os.unlink(names[-1], dir_fd=parent)
        self._context.audit(self.session.event("removed", path=path, size=status.st_size))
