"""What a client asks in one SFTP session, in asyncssh's terms, answered by the tree.

`close` here means *abandon*, always: asyncssh calls it for every ending. The one way to land a file is
`handler.py`'s answer to the client's own close request, which calls `OpenUpload.finish`.
"""

# ruff: noqa: ARG002 - the signatures are asyncssh's

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

from asyncssh import (
    FXF_READ,
    FXF_WRITE,
    SFTPAttrs,
    SFTPFailure,
    SFTPName,
    SFTPPermissionDenied,
    SFTPServer,
    SSHServerChannel,
)

from .attribute import file_attributes
from .context import Context, Session
from .download import Download
from .inbox import Inbox
from .name import Names, parse, show
from .rename import rename
from .room import Room
from .tree import Tree
from .upload import OpenUpload

_LOST = "the connection ended before the client closed the file"


class Requests(SFTPServer):
    """Answers the requests of one SFTP session."""

    def __init__(self, channel: SSHServerChannel[bytes], context: Context, session: Session) -> None:
        super().__init__(channel)
        self.context = context
        self.session = session
        #: The path that the request under way is about, if it names one.
        self.subject: bytes | None = None
        self._tree = Tree(context, session)

    def format_user(self, uid: int | None) -> str:
        """Show every file as the account's own in long listings."""
        return self.session.account.name

    def format_group(self, gid: int | None) -> str:
        """Show every file as the account's own in long listings."""
        return self.session.account.name

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> Download | OpenUpload:
        """Begin an upload or a download."""
        room, names = self._room(path)
        if pflags & FXF_WRITE:
            return await room.create(names, pflags)
        if pflags & FXF_READ:
            return await room.read(names)
        raise SFTPFailure("A file is opened for reading or for writing")

    def close(self, file_obj: object) -> None:
        """Give up an open file: nothing of an upload remains."""
        if isinstance(file_obj, OpenUpload):
            file_obj.abandon(_LOST)
        elif isinstance(file_obj, Download):
            file_obj.close()

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Read at most `Limits.read_bytes`; the client asks again for more."""
        size = min(size, self.context.limits.read_bytes)
        if offset > sys.maxsize:
            return b""
        if isinstance(file_obj, Download):
            return file_obj.read(offset, size)
        return self._upload(file_obj).file.read(offset, size)

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Write all of `data` or fail."""
        await self._upload(file_obj).write(offset, data)
        return len(data)

    def fstat(self, file_obj: object) -> SFTPAttrs:
        """Describe an open file."""
        if isinstance(file_obj, Download):
            return file_obj.attributes()
        upload = self._upload(file_obj)
        return file_attributes(upload.file.size, upload.started_at, writable=True)

    def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        """Set the size of an upload; modes, owners and times are accepted and ignored."""
        if attrs.size is not None:
            self._upload(file_obj).truncate(attrs.size)

    async def fsync(self, file_obj: object) -> None:
        """Flush an upload to disk."""
        await self._upload(file_obj).file.sync()

    async def stat(self, path: bytes) -> SFTPAttrs:
        """Describe a file or folder."""
        room, names = self._room(path)
        return await room.stat(names)

    async def lstat(self, path: bytes) -> SFTPAttrs:
        """Describe a file or folder; there are no links."""
        return await self.stat(path)

    async def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Accept and ignore modes, owners and times; see `Inbox.change` for the size."""
        room, names = self._room(path)
        await room.change(names, attrs.size)

    async def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Do what `setstat` does; there are no links."""
        await self.setstat(path, attrs)

    def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        """List a folder."""
        room, names = self._room(path)
        return room.list(names)

    def realpath(self, path: bytes) -> bytes:
        """Normalise a path; nothing of the real file system shows."""
        return show(parse(path)).encode()

    async def remove(self, path: bytes) -> None:
        """Delete a file."""
        room, names = self._room(path)
        await room.remove(names)

    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Refuse: folders are fixed."""
        room, names = self._room(path)
        await room.make_folder(names)

    def rmdir(self, path: bytes) -> None:
        """Refuse: folders are fixed."""
        raise SFTPPermissionDenied("Folders cannot be deleted")

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file, but not onto another."""
        await self._rename(oldpath, newpath, replace=False)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file, replacing another."""
        await self._rename(oldpath, newpath, replace=True)

    async def _rename(self, oldpath: bytes, newpath: bytes, *, replace: bool) -> None:
        target, new_names = self._room(newpath)
        source, names = self._room(oldpath)
        if not (isinstance(source, Inbox) and isinstance(target, Inbox)):
            raise SFTPPermissionDenied("Files can be renamed in upload folders only")
        await rename(self.context, self.session, source.spot(names), target.spot(new_names), replace=replace)

    def _room(self, path: bytes) -> tuple[Room, Names]:
        self.subject = path
        return self._tree.room(parse(path))

    def _upload(self, file_obj: object) -> OpenUpload:
        if not isinstance(file_obj, OpenUpload):
            raise SFTPPermissionDenied("The file is open for reading only")
        return file_obj
