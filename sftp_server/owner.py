"""The contract between the SFTP server and the program that owns it: accounts in, complete files out.

Only plain values and the `Owner` protocol live here; nothing in this module knows SSH.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """One top-level folder an account sees, and what may be done in it. Reading is always allowed."""

    #: The real directory.
    path: Path
    #: Files are received here: a complete upload is handed to `Owner.land`, never written in place.
    upload: bool = False
    #: The client may delete files.
    remove: bool = False
    #: Folders that exist below an upload folder whether or not they exist on disk: `customer`, `validate/customer`.
    #: The parents of a name are implied. There are no others, and a client cannot make one.
    subfolders: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What a login name may do."""

    name: str
    #: Public keys that may log in, each an OpenSSH one-line text (`ssh-ed25519 AAAA… comment`).
    keys: tuple[str, ...]
    #: The top of the tree: folder names as the client sees them, such as `inbox`.
    folders: Mapping[str, Folder]


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A complete file: its client said close and every byte was written. It is not yet fsynced."""

    account: str
    #: Where the client put it, without a leading slash: `inbox`, `inbox/customer`.
    folder: str
    name: str
    #: The file in the spool; whoever lands it moves it away.
    path: Path
    #: Bytes.
    size: int
    #: Lower-case hexadecimal.
    sha256: str
    #: Unique id of the SSH connection.
    session: str
    #: The client's IP address.
    address: str
    #: Aware UTC: when the client opened the file, or renamed it to its final name.
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Landed:
    """A landed file that an upload folder still shows, though it lives elsewhere."""

    name: str
    size: int
    #: Aware.
    modified_at: datetime
    #: The real file, opened when the client reads it.
    path: Path


class LandingRefused(Exception):
    """The owner will not take this file; the message is shown to the client."""


class Owner(Protocol):
    """Everything the server asks of its owner. All methods run on the server's event loop and must not block it."""

    async def account(self, name: str) -> Account | None:
        """Look up who logs in; asked anew for every login, so a changed account counts from the next one."""

    async def land(self, upload: Upload) -> None:
        """Take over `upload.path` and return only when the file is durable and recorded.

        `LandingRefused` shows its message to the client; any other exception is logged and the client sees a
        general failure. Either way the client knows that the file was not received, and the server removes
        whatever is left at `upload.path`.
        """

    async def landed(self, account: str, folder: str, name: str | None = None) -> Sequence[Landed]:
        """List the landed files still to be shown in a folder, or only those called `name`.

        Of several with one name the last is shown.
        """

    async def remove(self, account: str, folder: str, name: str) -> bool:
        """The client removed a landed file; False if there is none. May raise `LandingRefused`."""

    async def rename(self, account: str, folder: str, name: str, new_folder: str, new_name: str) -> bool:
        """The client renamed a landed file, perhaps onto another; False if there is none.

        May raise `LandingRefused`.
        """

    async def session_opened(self, session: str, account: str) -> None:
        """A client logged in; raising ends its connection."""

    async def session_closed(self, session: str) -> None:
        """The connection is gone, and no landing of it is under way any more."""
