"""What every kind of folder answers, and what those answer that cannot be written in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from asyncssh import SFTPAttrs, SFTPName

from .context import Session
from .download import Download
from .name import Names
from .upload import OpenUpload


class Room(Protocol):
    """What every kind of folder answers; names are relative to it. Raises `SFTPError` or `OSError`."""

    async def stat(self, names: Names) -> SFTPAttrs:
        """Describe a file or folder."""

    def list(self, names: Names) -> AsyncIterator[SFTPName]:
        """List a folder, lazily."""

    async def read(self, names: Names) -> Download:
        """Open a file for reading."""

    async def create(self, names: Names, flags: int) -> OpenUpload:
        """Begin an upload."""

    async def change(self, names: Names, size: int | None) -> None:
        """Set attributes."""

    async def remove(self, names: Names) -> None:
        """Delete a file."""

    async def make_folder(self, names: Names) -> None:
        """Make a folder."""


class Fixed:
    """A folder in which nothing can be made or changed; says so, and where uploads go."""

    def __init__(self, session: Session, path: str) -> None:
        self.session = session
        self.path = path

    async def create(self, _names: Names, _flags: int) -> OpenUpload:
        """Refuse."""
        raise self.session.read_only(self.path)

    async def change(self, _names: Names, _size: int | None) -> None:
        """Refuse."""
        raise self.session.read_only(self.path)

    async def make_folder(self, _names: Names) -> None:
        """Refuse."""
        raise self.session.read_only(self.path)
