"""Talking to systemd: being ready, alive and about to end (sd_notify), and sockets that it has opened for us.

The protocols are those of sd_notify(3) and sd_listen_fds(3). Without systemd all of it does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

import structlog

from ingester.domain.errors import ConfigurationError

log = structlog.get_logger()

_FIRST_DESCRIPTOR = 3
#: A service manager that does not read must not stop the service.
_PATIENCE_SECONDS = 1.0


def say(*facts: str) -> bool:
    """Tell the service manager something, such as `READY=1`; False if there is none, or it did not hear."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(_PATIENCE_SECONDS)
        sender.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        sender.sendall("\n".join(facts).encode())
        return True
    return False


async def keep_alive(is_well: Callable[[], bool]) -> None:
    """Reassure the watchdog for as long as this task runs, the event loop with it, and `is_well` says yes."""
    interval = int(os.environ.get("WATCHDOG_USEC") or 0) / 1_000_000 / 3
    if not interval or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        if is_well():
            say("WATCHDOG=1")
        else:
            log.error("watchdog_not_reassured")
        await asyncio.sleep(interval)


def listening_socket() -> socket.socket | None:
    """The one socket that systemd listens on in our name, across restarts; None if it does not.

    Raises ConfigurationError if systemd hands over anything but that.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    handed = os.environ.get("LISTEN_FDS", "0")
    # Ours alone: no child is to take it for its own.
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    if handed == "0":
        return None
    if handed != "1":
        raise ConfigurationError(
            f"systemd handed over {handed} sockets",
            fix="Give the socket unit one ListenStream=; 2222 takes IPv4 and IPv6.",
        )
    os.set_inheritable(_FIRST_DESCRIPTOR, False)
    found = socket.socket(fileno=_FIRST_DESCRIPTOR)
    listens = found.family in (socket.AF_INET, socket.AF_INET6) and found.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    )
    if not listens:
        found.close()
        raise ConfigurationError(
            "systemd handed over a socket that does not listen for TCP", fix="Use ListenStream= with a port, Accept=no."
        )
    found.setblocking(False)
    return found
