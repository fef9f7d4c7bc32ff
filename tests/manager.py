"""A test in the place of systemd: starts what a unit says, confined, with a notify socket and a socket that stays open.

The protocols are those of sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3).
"""

from __future__ import annotations

import secrets
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ingester.cli.site import Site
from ingester.settings import load
from ingester.tenancy import prepare_tenant
from tests.confinement import Confinement
from tests.service import INGESTER, Service
from tests.tenant import Tenant
from tests.unit_file import Unit

# Descriptor 3 and the environment that only the new process itself can know, then the program in its place.
_HAND_OVER = """
import os, sys
descriptor = int(sys.argv[1])
if descriptor >= 0:
    os.dup2(descriptor, 3)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    if descriptor != 3:
        os.close(descriptor)
os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
#: `struct ucred`: process, user, group.
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True)
class Said:
    """One message of a service to its manager."""

    process: int
    facts: tuple[str, ...]


class Ear:
    """A notify socket and all that was said to it. A thread reads, since the kernel keeps no more than ten messages."""

    def __init__(self) -> None:
        self.name = f"@ingester-test-{secrets.token_hex(8)}"
        self.said: list[Said] = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(self.name.replace("@", "\0", 1))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait(self, fact: str, times: int, seconds: float) -> bool:
        """Whether something has been said so many times, by then."""
        with self._changed:
            return self._changed.wait_for(lambda: sum(fact in said.facts for said in self.said) >= times, seconds)

    def close(self) -> None:
        """Hear what was said already, then no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.name.replace("@", "\0", 1))
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while True:
            message, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
            if not message:
                return
            sender, _, _ = _CREDENTIALS.unpack(ancillary[0][2])
            with self._changed:
                self.said.append(Said(sender, tuple(message.decode().split("\n"))))
                self._changed.notify_all()


class Managed(Service):
    """The service of one unit on the data directory below `scratch`; it may be started again after it ended."""

    def __init__(
        self,
        scratch: Path,
        unit: Unit,
        *,
        listening: socket.socket | None = None,
        database_url: str = "",
        watchdog_seconds: float = 0.6,
    ) -> None:
        super().__init__(scratch)
        self.unit = unit
        self._log = scratch / f"{unit.name}.log"
        self._listening = listening
        self._confinement = Confinement(unit)
        self._ear: Ear | None = None
        if listening is not None:
            self.port = listening.getsockname()[1]
        if database_url:
            self._environment["INGESTER_DATABASE_URL"] = database_url
        # As many services may run as there are tests: what else listens takes a free port.
        self._environment["INGESTER_HTTP__PORT"] = "0"
        self._environment["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1_000_000))

    @property
    def said(self) -> list[Said]:
        """What it has said since it was started."""
        return [] if self._ear is None else self._ear.said

    def spawn(self) -> None:
        """Start the unit's command, and do not wait."""
        if self._ear is not None:
            self._ear.close()
        self._ear = Ear()
        descriptor = -1 if self._listening is None else self._listening.fileno()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-ISc", _HAND_OVER, str(descriptor), INGESTER, *self.unit.arguments],
                env={**self._environment, "NOTIFY_SOCKET": self._ear.name},
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=() if descriptor < 0 else (descriptor,),
                preexec_fn=self._confinement.enter,
            )

    def start(self, *, seconds: float = 60) -> Managed:
        """Start it and wait until it says that it is ready."""
        self.spawn()
        self.hear("READY=1", seconds=seconds)
        return self

    def hear(self, fact: str, *, times: int = 1, seconds: float = 60) -> None:
        """Wait until it has said something so many times."""
        assert self._ear is not None, "not started"
        deadline = time.monotonic() + seconds
        while not self._ear.wait(fact, times, 0.2):
            waits = self.lives and time.monotonic() < deadline
            assert waits, f"{self.unit.name} did not say {fact}:\n{self.said}\n{self.log}"

    def add_tenant(self, name: str, *catalogues: str) -> Tenant:
        """Add a tenant with a fresh key as the commands do, but in this process, which has loaded everything."""
        url = self._environment.get("INGESTER_DATABASE_URL", "")
        with closing(Site(load(data_dir=self.data_dir, database_url=url))) as site:
            prepare_tenant(site.directory, site.router, site.tenants.add(name, catalogues))
            tenant = Tenant(self, name)
            site.tenants.add_key(name, tenant.key.with_suffix(".pub").read_text())
        return tenant

    @property
    def lives(self) -> bool:
        """Whether its first process does."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """Tell its first process to end, and do not wait."""
        assert self._process is not None
        self._process.terminate()

    def wait(self, *, seconds: float = 30) -> int:
        """Wait for the end; its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """Kill -9 every process of the service at once."""
        super().kill()
        if self._ear is not None:
            self._ear.close()
            self._ear = None


def listen() -> socket.socket:
    """A socket as a socket unit has it: it listens whether or not somebody accepts."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    return socket.create_server(("127.0.0.1", 0), backlog=128)
