"""The virtual tree an account sees: a root, its top-level folders, and below them what each kind of folder says."""

from __future__ import annotations

from collections.abc import AsyncIterator

from asyncssh import SFTPAttrs, SFTPName, SFTPNoSuchFile

from .attribute import folder_attributes
from .context import Context, Session
from .download import Download
from .inbox import Inbox
from .name import Names
from .room import Fixed, Room
from .shelf import Shelf


class Root(Fixed):
    """The folder `/`, which holds the top-level folders and nothing else; it also answers for names it has not."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "/")

    async def stat(self, names: Names) -> SFTPAttrs:
        """Describe the root."""
        if names:
            raise SFTPNoSuchFile("No such file")
        return folder_attributes(self.session.opened_at, writable=False)

    async def list(self, names: Names) -> AsyncIterator[SFTPName]:
        """List the top-level folders."""
        if names:
            raise SFTPNoSuchFile("No such folder")
        for name, folder in self.session.account.folders.items():
            writable = folder.upload or folder.remove
            yield SFTPName(name.encode(), attrs=folder_attributes(self.session.opened_at, writable=writable))

    async def read(self, _names: Names) -> Download:
        """Refuse: there are no files."""
        raise SFTPNoSuchFile("No such file")

    async def remove(self, _names: Names) -> None:
        """Refuse: there are no files."""
        raise SFTPNoSuchFile("No such file")


class Tree:
    """The tree of one session."""

    def __init__(self, context: Context, session: Session) -> None:
        self._root = Root(session)
        self._rooms: dict[str, Inbox | Shelf] = {
            top: (Inbox if folder.upload else Shelf)(context, session, top, folder)
            for top, folder in session.account.folders.items()
        }

    def room(self, names: Names) -> tuple[Room, Names]:
        """Return who answers for a path, and the path below it. Unknown top-level names are the root's."""
        room = self._rooms.get(names[0]) if names else None
        return (self._root, names) if room is None else (room, names[1:])
