"""Waking workers: a datagram to every Unix socket in a folder, and where the ledger is PostgreSQL, NOTIFY.

A nudge is a hint that saves a poll; losing one costs at most one poll interval. Sockets are addressed through
`/proc/self/fd`, since a socket's path may be no longer than 107 bytes and a data directory's may.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path
from typing import Any

import structlog

from ingester.directory import DataDirectory
from ingester.store.database import listener, notify
from ingester.store.ledger import Ledger

log = structlog.get_logger()

_CHANNEL = "ingester_wake"


class Alarm:
    """One sleeper's own: a socket in `folder`, and a connection that listens if the ledger is PostgreSQL."""

    def __init__(self, folder: Path, name: str, ledger: Ledger | None = None) -> None:
        self._ledger = ledger
        self._listener: Any = None
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._path = f"/proc/self/fd/{self._folder}/{name}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._path)
        self._socket.setblocking(False)
        self._listen()

    def wait(self, seconds: float) -> bool:
        """Sleep until nudged or for `seconds`; True if nudged. Nudges that piled up count as one."""
        if self._listener is None and self._listen():
            return True  # who knows what was missed meanwhile
        ears = [self._socket] if self._listener is None else [self._socket, self._listener]
        try:
            heard, _, _ = select.select(ears, [], [], seconds)
        except (OSError, ValueError):  # the connection is closed
            heard = [self._listener]
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(1):
                pass
        if self._listener is not None and self._listener in heard:
            try:
                for _ in self._listener.notifies(timeout=0):
                    pass
            except Exception as error:  # noqa: BLE001 -- whatever the driver says, it is of no use any more
                log.warning("listener_lost", error=str(error).strip())
                self._deafen()
        return bool(heard)

    def close(self) -> None:
        """Remove the socket."""
        Path(self._path).unlink(missing_ok=True)
        self._socket.close()
        os.close(self._folder)
        self._deafen()

    def _listen(self) -> bool:
        if self._ledger is None:
            return False
        try:
            self._listener = listener(self._ledger.engine, _CHANNEL)
        except Exception as error:  # noqa: BLE001 -- without it the sleeper polls
            log.warning("not_listening", error=str(error).strip())
        return self._listener is not None

    def _deafen(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(Exception):
                self._listener.close()
            self._listener = None


class Bell:
    """Wakes every sleeping worker of a ledger, on this machine or on others."""

    def __init__(self, directory: DataDirectory, ledger: Ledger) -> None:
        self._directory = directory
        self._ledger = ledger

    def ring(self) -> None:
        """Wake them. Call it after the commit that gives them something to do."""
        try:
            if notify(self._ledger.engine, _CHANNEL):
                return
        except Exception as error:  # noqa: BLE001 -- a hint is not worth a failure
            log.warning("nobody_notified", error=str(error).strip())
        nudge(self._directory.sleepers)


def nudge(folder: Path) -> int:
    """Wake whoever sleeps in `folder`; returns how many. Sockets of dead sleepers are swept away."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return 0  # a hint is not worth a failure
    woken = 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for name in os.listdir(fd):  # noqa: PTH208 -- by descriptor: the path may be too long
                try:
                    sender.sendto(b"!", f"/proc/self/fd/{fd}/{name}")
                    woken += 1
                except BlockingIOError:
                    woken += 1  # its buffer is full of nudges: it will wake
                except FileNotFoundError:
                    pass
                except ConnectionRefusedError:
                    (folder / name).unlink(missing_ok=True)
    except OSError:
        pass
    finally:
        os.close(fd)
    return woken
