"""The SFTP protocol loop: asyncssh's, with the client's own close told apart from every other ending.

asyncssh calls `SFTPServer.close` for a close request and for clean-up alike, so `close` abandons and only
`_process_close` here, reached through the table of packet handlers, may land a file. If a release of asyncssh renames
what this leans on, `check` stops the server at start, and a close that does not come here lands nothing.

Also here: which requests are offered at all, bounds on packets and handles, and errors that tell a client no more
than it should know.
"""

# ruff: noqa: SLF001 - the table of packet handlers is the one hook asyncssh has; `check` guards its use

from __future__ import annotations

import errno
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import asyncssh
from asyncssh import (
    SFTPBadMessage,
    SFTPEOFError,
    SFTPError,
    SFTPFailure,
    SFTPInvalidHandle,
    SFTPLimits,
    SFTPName,
    SFTPNoSuchFile,
    SFTPOpUnsupported,
    SFTPPermissionDenied,
    SSHReader,
    SSHWriter,
    constants,
)
from asyncssh.packet import PacketDecodeError, SSHPacket
from asyncssh.sftp import SFTPServerHandler

from .event import log, printable
from .owner import LandingRefused
from .request import Requests
from .upload import OpenUpload

# Everything a client may ask, and how the audit log calls it. No links, no locks, no server-side copying (which let
# a client fill the disk without sending anything), no sparse ranges; what a later asyncssh adds is not offered either.
_OFFERED: dict[int | bytes, str] = {
    constants.FXP_OPEN: "open",
    constants.FXP_CLOSE: "close",
    constants.FXP_READ: "read",
    constants.FXP_WRITE: "write",
    constants.FXP_LSTAT: "stat",
    constants.FXP_FSTAT: "stat",
    constants.FXP_STAT: "stat",
    constants.FXP_SETSTAT: "setstat",
    constants.FXP_FSETSTAT: "setstat",
    constants.FXP_OPENDIR: "list",
    constants.FXP_READDIR: "list",
    constants.FXP_REMOVE: "remove",
    constants.FXP_MKDIR: "mkdir",
    constants.FXP_RMDIR: "rmdir",
    constants.FXP_REALPATH: "realpath",
    constants.FXP_RENAME: "rename",
    b"posix-rename@openssh.com": "rename",
    b"fsync@openssh.com": "fsync",
    b"lsetstat@openssh.com": "setstat",
    b"limits@openssh.com": "limits",
}
# What every client speaks; later drafts only add ways in.
_VERSION = 3
# A shutdown waits for the answers to these: they may land a file.
_SETTLING = (constants.FXP_CLOSE, constants.FXP_RENAME, constants.FXP_EXTENDED)
# A failed one is followed by as many more as the client pleases; `abandoned` and the log say why it failed.
_FREQUENT = ("read", "write")
# What must exist in asyncssh's handler for the methods of ours to be called at all.
_OVERRIDDEN = (
    "run",
    "recv_packet",
    "_process_packet",
    "_process_open",
    "_process_opendir",
    "_process_close",
    "_process_limits",
    "_cleanup",
)
_DENIED = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Request = Callable[[Any, SSHPacket], Awaitable[object]]


class Handler(SFTPServerHandler):
    """Reads the requests of one SFTP session one after the other, and answers them."""

    _extensions = [  # noqa: RUF012 - asyncssh declares it so
        (b"posix-rename@openssh.com", b"1"),
        (b"fsync@openssh.com", b"1"),
        (b"lsetstat@openssh.com", b"1"),
        (b"limits@openssh.com", b"1"),
    ]

    def __init__(self, requests: Requests, reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
        super().__init__(requests, reader, writer, sftp_version=_VERSION)
        self.requests = requests
        self._limits = requests.context.limits

    async def run(self) -> None:
        """Serve the session to its end, however it ends."""
        try:
            await super().run()
        except (EOFError, OSError) as error:
            await self._cleanup(error)
        finally:
            await self._release()

    async def recv_packet(self) -> SSHPacket:
        """Read one packet of a size that OpenSSH would accept too."""
        assert self._reader is not None
        length = int.from_bytes(await self._reader.readexactly(4), "big")
        if not 1 <= length <= self._limits.packet_bytes:
            raise SFTPBadMessage("The packet is too large")
        return SSHPacket(await self._reader.readexactly(length))

    async def _process_packet(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        self.requests.session.active_at = time.monotonic()
        with self.requests.context.settling.request() if pkttype in _SETTLING else nullcontext():
            await super()._process_packet(pkttype, pktid, packet)
        if self._writer:
            # A client that asks for much and reads nothing waits here; answers do not pile up.
            await self._writer.drain()

    async def _process_open(self, packet: SSHPacket) -> bytes:
        self._check_handles()
        return await super()._process_open(packet)

    async def _process_opendir(self, packet: SSHPacket) -> bytes:
        self._check_handles()
        path = packet.get_string()
        packet.check_end()
        # Asked for its first name now: opening a folder that is not there must fail, not reading it.
        listing = await Listing.open(self.requests.scandir(path))
        handle = self._get_next_handle()
        self._dir_handles[handle] = listing
        return handle

    async def _process_close(self, packet: SSHPacket) -> None:
        handle = packet.get_string()
        packet.check_end()
        file = self._file_handles.pop(handle, None)
        listing = self._dir_handles.pop(handle, None)
        if isinstance(file, OpenUpload):
            await file.finish()
        elif file is not None:
            self.requests.close(file)
        elif isinstance(listing, Listing):
            await listing.aclose()
        else:
            raise SFTPInvalidHandle("Invalid file handle")

    async def _process_limits(self, packet: SSHPacket) -> SFTPLimits:
        packet.check_end()
        limits = self._limits
        return SFTPLimits(limits.packet_bytes, limits.read_bytes, limits.read_bytes, limits.handles)

    async def _cleanup(self, exc: Exception | None) -> None:
        await self._release()
        await super()._cleanup(exc)

    async def _release(self) -> None:
        files, self._file_handles = self._file_handles, {}
        listings, self._dir_handles = self._dir_handles, {}
        for file in files.values():
            self.requests.close(file)
        for listing in listings.values():
            if isinstance(listing, Listing):
                await listing.aclose()

    def _check_handles(self) -> None:
        if len(self._file_handles) + len(self._dir_handles) >= self._limits.handles:
            raise SFTPFailure(f"No more than {self._limits.handles} files may be open at a time")


class Listing:
    """The names of one open folder, the first of them read ahead."""

    def __init__(self, names: AsyncIterator[SFTPName], first: SFTPName | None) -> None:
        self._names = names
        self._first = first

    @classmethod
    async def open(cls, names: AsyncIterator[SFTPName]) -> Listing:
        """Read the first name, so that errors show now."""
        return cls(names, await anext(names, None))

    def __aiter__(self) -> Listing:
        return self

    async def __anext__(self) -> SFTPName:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._names)

    async def aclose(self) -> None:
        """Let go of what the listing holds open."""
        if hasattr(self._names, "aclose"):
            await self._names.aclose()


def _guarded(label: str, request: Request) -> Request:
    """Turn whatever a request raises into an answer fit for the client, and report refusals."""

    @functools.wraps(request)
    async def answer(self: Handler, packet: SSHPacket) -> object:
        requests = self.requests
        requests.subject = None
        try:
            return await request(self, packet)
        except (SFTPEOFError, SFTPNoSuchFile, PacketDecodeError):
            raise
        except FileNotFoundError:
            raise SFTPNoSuchFile("No such file") from None
        except SFTPError as error:
            refusal = error
        except LandingRefused as error:
            refusal = SFTPFailure(str(error))
        except OSError as error:
            refusal = _translated(error)
            log.warning("Session %s: %s failed: %s", requests.session.id, label, error)
        except Exception:  # noqa: BLE001 - asyncssh would send its text to the client
            log.exception("Session %s: %s failed", requests.session.id, label)
            refusal = SFTPFailure(f"Something went wrong on the server; ask about session {requests.session.id}")
        if label in _FREQUENT:
            raise refusal
        path = None if requests.subject is None else printable(requests.subject)
        requests.context.audit(
            requests.session.event("refused", request=label, path=path, reason=printable(refusal.reason))
        )
        raise refusal

    return answer


def _translated(error: OSError) -> SFTPError:
    """Say what the client can know of a system error, which never is a path."""
    if error.errno in _DENIED:
        return SFTPPermissionDenied("Permission denied")
    if error.errno in _FULL:
        return SFTPFailure("There is no room for it on the server")
    return SFTPFailure("The server could not do it")


async def _not_offered(_handler: Handler, _packet: SSHPacket) -> object:
    raise SFTPOpUnsupported("This server does not offer that")


def _table() -> dict[int | bytes, Request | None]:
    table: dict[int | bytes, Request | None] = {}
    for code, request in SFTPServerHandler._packet_handlers.items():
        name = request.__name__ if request else ""
        if code in _OFFERED:
            # By name, so that the methods of Handler count.
            table[code] = _guarded(_OFFERED[code], getattr(Handler, name))
        else:
            table[code] = _guarded(name.removeprefix("_process_"), _not_offered)
    return table


Handler._packet_handlers = _table()


def check() -> None:
    """Raise `RuntimeError` unless asyncssh is one whose inner workings this package knows."""
    if not asyncssh.__version__.startswith("2.24.") or asyncssh.__version__ == "2.24.0":
        raise RuntimeError(f"asyncssh {asyncssh.__version__} is not known to land files safely; install >=2.24.1,<2.25")
    missing = [name for name in _OVERRIDDEN if not hasattr(SFTPServerHandler, name)]
    close = getattr(Handler._packet_handlers.get(constants.FXP_CLOSE), "__wrapped__", None)
    if missing or close is not Handler._process_close:
        raise RuntimeError(f"asyncssh {asyncssh.__version__} works differently inside: {missing or 'close'}")
