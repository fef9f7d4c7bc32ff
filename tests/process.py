"""The processes that one command started, as the kernel sees them: which are left, and how much memory they hold."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def session_members(leader: int) -> list[int]:
    """The living processes of the session that `leader` started; a child that changed its group is still among them."""
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The command's name stands in parentheses and may hold anything; what follows it does not.
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            members.append(int(entry.name))
    return members


def kill_session(leader: int, *, seconds: float = 10) -> None:
    """Kill -9 every process of a session at once and wait until none is left."""
    deadline = time.monotonic() + seconds
    while members := session_members(leader):
        assert time.monotonic() < deadline, f"processes {members} survive SIGKILL"
        for member in members:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def memory(leader: int) -> int:
    """Bytes held by a session now: proportional set size, so that pages shared between its processes count once."""
    total = 0
    for member in session_members(leader):
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total
