"""Checks of the machine: its clock, and the limits that its kernel sets."""

from __future__ import annotations

import ctypes
import re
import resource
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.domain.errors import ConfigurationError, TransientError
from ingester.queue import LEASE
from ingester.store import database

#: `adjtimex(2)` returns this when nothing keeps the clock right.
_UNSYNCHRONISED = 5
_SECONDS = 2.0
_FILES = 4096
_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


def clock(_subject: Subject) -> Iterator[Finding]:
    """Whether the kernel says that something keeps its clock right."""
    library = ctypes.CDLL(None, use_errno=True)
    # More than `struct timex` takes; all zero, which asks and sets nothing.
    state = library.adjtimex(ctypes.create_string_buffer(512))
    if state == _UNSYNCHRONISED:
        yield warning("nothing keeps this machine's clock right", "`timedatectl set-ntp true`, or install chrony.")
    elif state >= 0:
        yield ok("the clock is kept right")


def database_clock(subject: Subject) -> Iterator[Finding]:
    """Whether the database's clock agrees with this machine's: leases and schedules go by both."""
    engine = subject.engine(subject.settings.ledger_url)
    if engine is None or engine.dialect.name != "postgresql":
        return
    try:
        with database.translated(), engine.connect() as connection:
            before = subject.now()
            theirs = connection.scalar(text("SELECT clock_timestamp()"))
            apart = abs((theirs - before).total_seconds())
    except (ConfigurationError, TransientError):
        return  # it does not answer, which is told elsewhere
    said = f"the database's clock and ours are {apart:.1f} s apart"
    fix = "Synchronise both machines with NTP: `timedatectl set-ntp true` on each."
    if apart >= LEASE.total_seconds() / 2:
        yield wrong(said, fix)
    elif apart >= _SECONDS:
        yield warning(said, fix)
    else:
        yield ok(said)


def open_files(subject: Subject) -> Iterator[Finding]:
    """Whether enough files may be open at once, in the service if it runs."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if subject.running is not None:
        limits = Path(f"/proc/{subject.running.pid}/limits").read_text()
        found = re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE)
        limit = int(found[1]) if found else limit
    said = f"{limit:,} files may be open at once"
    if 0 <= limit < _FILES:
        yield warning(said, "LimitNOFILE=65536 in the unit, or `ulimit -n 65536` before `ingester up`.")
    else:
        yield ok(said)


def inotify(subject: Subject) -> Iterator[Finding]:
    """Whether the kernel watches as many folders as there are in the inboxes; files are found without it, later."""
    tenants = subject.directory.root / "tenants"
    if not tenants.is_dir() or not _WATCHES.exists():
        return
    folders = sum(
        1 for tenant in tenants.iterdir() for path in [tenant / "inbox", *tenant.glob("inbox/*")] if path.is_dir()
    )
    limit = int(_WATCHES.read_text())
    said = f"{folders:,} inbox folders, {limit:,} watches"
    if folders > limit / 2:
        yield warning(said, f"`sysctl -w fs.inotify.max_user_watches={max(4 * folders, 524_288)}`.")
    else:
        yield ok(said)
