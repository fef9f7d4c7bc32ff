"""A service whose roles are processes of their own on one PostgreSQL, as production runs it."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from tests.process import kill_session, session_members
from tests.service import Service
from tests.warm import Program, Warm


class Member:
    """One process of `ingester serve`, and its workers if it has any."""

    def __init__(self, role: str, process: subprocess.Popen[bytes] | Program, log: Path) -> None:
        self.role = role
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def until(self, pattern: str, *, seconds: float = 40) -> re.Match[str]:
        """Wait until it says something."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, self.log)) is None:
            assert self.process.poll() is None, f"{self.role} ended:\n{self.log}"
            assert time.monotonic() < deadline, f"{self.role} never said {pattern}:\n{self.log}"
            time.sleep(0.02)
        return found

    def kill(self) -> None:
        """Kill -9 it with everything that it started."""
        kill_session(self.process.pid)
        self.process.wait()

    def stop(self, *, seconds: float = 20) -> None:
        """End it as systemd would."""
        self.process.terminate()
        code = self.process.wait(seconds)
        assert code == 0, f"{self.role} ended with {code}:\n{self.log}"
        patience = time.monotonic() + 2
        while left := session_members(self.process.pid):
            assert time.monotonic() < patience, f"{self.role} left {left} behind"
            time.sleep(0.02)


class Fleet(Service):
    """Roles on one data directory and database; commands and tenants work as with any service."""

    def __init__(self, scratch: Path, database: str, warm: Warm | None = None) -> None:
        super().__init__(scratch, warm=warm)
        self._environment |= {"INGESTER_DATABASE_URL": database, "INGESTER_LOG_FORMAT": "json"}
        self.members: list[Member] = []

    @property
    def log(self) -> str:
        return "\n".join(f"--- {member.role}\n{member.log}" for member in self.members)

    def add(self, role: str, *options: str) -> Member:
        """Start one more process of a role and wait until it is ready."""
        path = self.scratch / f"{role}{len(self.members)}.log"
        port = ("--sftp-port", "0") if role == "sftp" else ()
        with path.open("wb") as log:
            process = self._run("serve", role, "--http-port", "0", *port, *options, stdout=log, stderr=log)
        member = Member(role, process, path)
        self.members.append(member)
        said = member.until(r"is ready(?: on \S+ port (\d+))?")
        if said[1] is not None:
            self.port = int(said[1])
        return member

    def kill(self) -> None:
        """Kill -9 whatever still runs."""
        for member in self.members:
            if member.process.poll() is None or session_members(member.process.pid):
                member.kill()
