"""Nudging sleeping workers: a datagram to every Unix socket in a folder.

A nudge is a hint that saves a poll; losing one costs at most one poll interval. Sockets are addressed through
`/proc/self/fd`, since a socket's path may be no longer than 107 bytes and a data directory's may.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


class Alarm:
    """One sleeper's own socket."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._path = f"/proc/self/fd/{self._folder}/{name}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._path)

    def wait(self, seconds: float) -> bool:
        """Sleep until nudged or for `seconds`; True if nudged. Nudges that piled up count as one."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(1)
        except TimeoutError:
            return False
        self._socket.setblocking(False)
        try:
            while self._socket.recv(1):
                pass
        except BlockingIOError:
            pass
        return True

    def close(self) -> None:
        """Remove the socket."""
        Path(self._path).unlink(missing_ok=True)
        self._socket.close()
        os.close(self._folder)


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
