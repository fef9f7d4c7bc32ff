"""A folder that receives uploads, and what it shows: uploads in progress, landed files, and what lies on disk.

Landed files live elsewhere and are asked of the owner. On disk lie files under unfinished names (`x.csv.filepart`),
kept until their client renames them, and files that some other program put there and the owner has not yet taken.
Renaming is in `rename.py`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass

from asyncssh import (
    FXF_APPEND,
    FXF_CREAT,
    FXF_EXCL,
    FXF_TRUNC,
    SFTPAttrs,
    SFTPFailure,
    SFTPFileAlreadyExists,
    SFTPName,
    SFTPNoSuchFile,
    SFTPPermissionDenied,
    SFTPQuotaExceeded,
)

from . import beneath
from .attribute import attributes_of, file_attributes, folder_attributes
from .context import Context, Session
from .download import Download
from .event import seconds_since
from .landing import land
from .name import Names, check_new, show
from .owner import Folder, Landed
from .spool import SpoolFile
from .upload import OpenUpload

#: What a name in an upload folder can stand for; a stat result is a file on disk.
Found = OpenUpload | Landed | os.stat_result


@dataclass(frozen=True, slots=True)
class Spot:
    """A file's place in an upload folder, whether or not there is a file."""

    inbox: Inbox
    below: Names
    name: str

    @property
    def folder(self) -> str:
        """The folder as the owner knows it: `inbox/customer`."""
        return "/".join((self.inbox.top, *self.below))

    @property
    def path(self) -> str:
        """The path as the client knows it."""
        return f"/{self.folder}/{self.name}"


class Inbox:
    """One upload folder of one session. Paths are relative to the folder."""

    def __init__(self, context: Context, session: Session, top: str, folder: Folder) -> None:
        self.top = top
        self.root = folder.path
        self._context = context
        self._session = session
        self._remove = folder.remove
        paths = [tuple(path.split("/")) for path in folder.subfolders]
        self._folders = frozenset({(), *(path[: end + 1] for path in paths for end in range(len(path)))})

    def spot(self, names: Names) -> Spot:
        """Return the place of a file; folders and places in unknown folders are refused."""
        if names in self._folders:
            raise SFTPFailure(f"{show((self.top, *names))} is a folder")
        if names[:-1] not in self._folders:
            raise SFTPNoSuchFile("No such folder")
        return Spot(self, names[:-1], names[-1])

    async def find(self, spot: Spot) -> Found | None:
        """Return what the session sees under a name."""
        for upload in reversed(self._session.uploads):
            if (upload.folder, upload.name) == (spot.folder, spot.name) and not upload.spoiled:
                return upload
        landed = await self._context.owner.landed(self._session.account.name, spot.folder, spot.name)
        if landed:
            return landed[-1]
        try:
            with beneath.folder(self.root, spot.below) as folder:
                status = beneath.look(spot.name, folder)
        except FileNotFoundError:
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    async def stat(self, names: Names) -> SFTPAttrs:
        """Describe a file or folder."""
        if names in self._folders:
            return self._folder_attributes()
        return self._attributes(await self._existing(self.spot(names)))

    async def list(self, names: Names) -> AsyncIterator[SFTPName]:
        """List a folder; what lies on disk is read as the client asks for more."""
        if names not in self._folders:
            raise SFTPNoSuchFile("No such folder")
        seen: dict[str, SFTPAttrs] = {
            folder[-1]: self._folder_attributes() for folder in sorted(self._folders) if folder and folder[:-1] == names
        }
        here = "/".join((self.top, *names))
        for file in await self._context.owner.landed(self._session.account.name, here):
            seen[file.name] = self._attributes(file)
        for upload in self._session.uploads:
            if upload.folder == here and not upload.spoiled:
                seen[upload.name] = self._attributes(upload)
        for name, attributes in seen.items():
            yield SFTPName(name.encode(), attrs=attributes)
        try:
            with beneath.folder(self.root, names) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    status = beneath.shown(entry)
                    if status is not None and stat.S_ISREG(status.st_mode) and entry.name not in seen:
                        yield SFTPName(entry.name.encode(), attrs=self._attributes(status))
        except FileNotFoundError:
            return  # a subfolder that is not on disk

    async def read(self, names: Names) -> Download:
        """Open a file for reading."""
        spot = self.spot(names)
        found = await self._existing(spot)
        if isinstance(found, OpenUpload):
            raise SFTPFailure(f"{spot.path} is still being uploaded")
        if isinstance(found, Landed):
            descriptor = beneath.open_file(found.path)
        else:
            with beneath.folder(self.root, spot.below) as folder:
                descriptor = beneath.open_file(spot.name, folder)
        return Download(
            descriptor,
            writable=True,
            on_end=lambda sent: self._context.audit(self._session.event("download", path=spot.path, size=sent)),
        )

    async def create(self, names: Names, flags: int) -> OpenUpload:
        """Begin an upload; `flags` are SFTP's `FXF_` bits."""
        spot = self.spot(names)
        if self._context.stopping:
            raise SFTPFailure("The server is shutting down; try again in a moment")
        check_new(spot.name)
        found = await self.find(spot)
        if found is None and not flags & FXF_CREAT:
            raise SFTPNoSuchFile("No such file")
        if found is not None and flags & FXF_CREAT and flags & FXF_EXCL:
            raise SFTPFileAlreadyExists(f"{spot.path} exists already")
        if found is None or flags & FXF_TRUNC:
            file = self._context.spool.create(self._session.spool_name())
        else:
            file = await self._continue(spot, found)
        upload = OpenUpload(
            file,
            folder=spot.folder,
            name=spot.name,
            limit=self._context.limits.file_bytes,
            append=bool(flags & FXF_APPEND),
            settle=lambda upload: self._settle(upload, spot),
            on_end=lambda upload, reason: self._ended(upload, spot, reason),
        )
        self._session.uploads.append(upload)
        self._context.audit(self._session.event("upload_started", path=spot.path))
        return upload

    async def change(self, names: Names, size: int | None) -> None:
        """Set attributes of a file or folder: a size only of an upload in progress; all others are ignored."""
        if names in self._folders:
            return
        spot = self.spot(names)
        found = await self._existing(spot)
        if size is None:
            return
        if isinstance(found, OpenUpload):
            found.truncate(size)
        elif self._attributes(found).size != size:
            raise SFTPPermissionDenied(f"{spot.path} was received already and cannot be changed")

    async def remove(self, names: Names) -> None:
        """Delete a file, or give up an upload in progress."""
        spot = self.spot(names)
        if not self._remove:
            raise SFTPPermissionDenied(f"Nothing can be deleted in /{self.top}")
        found = await self._existing(spot)
        if isinstance(found, OpenUpload):
            found.spoiled = "it was deleted while it was being uploaded"
        elif isinstance(found, Landed):
            if not await self._context.owner.remove(self._session.account.name, spot.folder, spot.name):
                raise SFTPNoSuchFile("No such file")
        else:
            self.unlink(spot)
        self._context.audit(self._session.event("removed", path=spot.path, size=self._attributes(found).size))

    async def make_folder(self, names: Names) -> None:
        """Refuse: the folders are fixed."""
        if names in self._folders:
            raise SFTPFileAlreadyExists(f"{show((self.top, *names))} exists already")
        known = ", ".join("/".join(folder) for folder in sorted(self._folders) if folder)
        raise SFTPPermissionDenied(f"Folders in /{self.top} are fixed: {known or 'there are none'}")

    def unlink(self, spot: Spot) -> None:
        """Delete a file on disk."""
        with beneath.folder(self.root, spot.below) as folder:
            os.unlink(spot.name, dir_fd=folder)

    async def _existing(self, spot: Spot) -> Found:
        found = await self.find(spot)
        if found is None:
            raise SFTPNoSuchFile("No such file")
        return found

    async def _continue(self, spot: Spot, found: Found) -> SpoolFile:
        if not isinstance(found, os.stat_result) or not self._context.unfinished(spot.name):
            raise SFTPFailure(f"{spot.path} exists already and cannot be continued; upload it again as a whole")
        if found.st_size > self._context.limits.file_bytes:
            raise SFTPQuotaExceeded(f"Files must not be larger than {self._context.limits.file_bytes} bytes")
        with beneath.folder(self.root, spot.below) as folder:
            return await self._context.spool.continue_from(self._session.spool_name(), spot.name, folder)

    async def _settle(self, upload: OpenUpload, spot: Spot) -> None:
        if not self._context.unfinished(spot.name):
            return await land(
                self._context,
                self._session,
                upload.file,
                folder=spot.folder,
                name=spot.name,
                started_at=upload.started_at,
            )
        # Else a power failure could leave a part of the file under its full name, for the client to rename later.
        await upload.file.sync()
        with beneath.folder(self.root, spot.below, make=True) as folder:
            # Replaces a link that somebody planted under this name, instead of following it.
            os.rename(upload.file.path, spot.name, dst_dir_fd=folder)
        self._context.audit(
            self._session.event("kept", path=spot.path, size=upload.file.size, seconds=seconds_since(upload.started_at))
        )
        return None

    def _ended(self, upload: OpenUpload, spot: Spot, reason: str | None) -> None:
        self._session.uploads.remove(upload)
        if reason is not None:
            seconds = seconds_since(upload.started_at)
            event = self._session.event(
                "abandoned", path=spot.path, size=upload.received, reason=reason, seconds=seconds
            )
            self._context.audit(event)

    def _attributes(self, found: Found) -> SFTPAttrs:
        if isinstance(found, OpenUpload):
            return file_attributes(found.file.size, found.started_at, writable=True)
        if isinstance(found, Landed):
            return file_attributes(found.size, found.modified_at, writable=True)
        return attributes_of(found, writable=True)

    def _folder_attributes(self) -> SFTPAttrs:
        return folder_attributes(self._session.opened_at, writable=True)
