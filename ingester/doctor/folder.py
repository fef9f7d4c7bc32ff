"""Checks of the data directory: there, ours, closed to others, and in one piece."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

from ingester.doctor.finding import Finding, ok, wrong
from ingester.doctor.subject import Subject

_NAMED = 3
#: Where the shipped unit has its settings.
_ENVIRONMENT = Path("/etc/ingester/environment")
#: As in postgresql://user:password@host.
_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def data_directory(subject: Subject) -> Iterator[Finding]:
    """Whether there is a data directory that this user may write."""
    root = subject.directory.root
    if not subject.exists:
        yield wrong(
            f"there is no data directory {root}",
            f"Name the right one with --data-dir, or make it: `ingester up --data-dir {root}`.",
        )
    elif not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield wrong(
            f"{root} is not this user's to write", f"Run this as its owner: `sudo -u {_owner(root)} ingester doctor`."
        )
    else:
        yield ok(f"{root.absolute()}")


def owner(subject: Subject) -> Iterator[Finding]:
    """Whether everything belongs to one user: what another one made, the service may not be able to write."""
    if not subject.exists:
        return
    user = subject.directory.root.stat().st_uid
    strange = [path for path in _top(subject) if path.lstat().st_uid != user]
    if strange:
        name = _owner(subject.directory.root)
        yield wrong(
            f"{_list(strange)} belong to another user than {name}", f"`chown -R {name}: {subject.directory.root}`."
        )
    else:
        yield ok(f"everything belongs to {_owner(subject.directory.root)}")


def one_filesystem(subject: Subject) -> Iterator[Finding]:
    """Whether spool and tenants are on one filesystem: files move by rename."""
    directory = subject.directory
    if not directory.incoming.is_dir():
        return
    device = directory.incoming.stat().st_dev
    tenants = directory.root / "tenants"
    folders = [directory.drops, directory.quarantine, directory.work, tenants]
    folders += [part for tenant in _entries(tenants) for part in (tenant, *_entries(tenant)) if part.is_dir()]
    apart = [folder for folder in folders if folder.is_dir() and folder.stat().st_dev != device]
    if apart:
        yield wrong(
            f"{_list(apart)} are on another filesystem than {directory.incoming}",
            f"Mount one filesystem at {directory.root}, and nothing below it.",
        )
    else:
        yield ok("spool and tenants are on one filesystem")


def secrets(subject: Subject) -> Iterator[Finding]:
    """Whether other users can read what customers send, or a password."""
    exposed = (
        [path for path in _top(subject) if not path.is_symlink() and path.stat().st_mode & 0o007]
        if subject.exists
        else []
    )
    # What lies in a folder that others may not enter is closed to them, whatever its own mode.
    if exposed and subject.directory.root.stat().st_mode & 0o007:
        yield wrong(f"other users can read {_list(exposed)}", f"`chmod -R o= {subject.directory.root}`.")
    elif subject.exists:
        yield ok("other users cannot enter the data directory")
    for path in filter(None, (subject.config, _ENVIRONMENT)):
        if path.is_file() and path.stat().st_mode & 0o007 and _PASSWORD.search(path.read_text(errors="replace")):
            yield wrong(f"other users can read the password in {path}", f"`chmod o= {path}`.")


def _top(subject: Subject) -> list[Path]:
    """The data directory, what is in it, and in its keys, spool and tenants; not the many files below."""
    root = subject.directory.root
    below = [subject.directory.host_keys, root / "spool", root / "tenants", root / "run"]
    return [root, *_entries(root), *(path for folder in below for path in _entries(folder))]


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _owner(path: Path) -> str:
    user = path.stat().st_uid
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _list(paths: list[Path]) -> str:
    named = ", ".join(map(str, paths[:_NAMED]))
    return named if len(paths) <= _NAMED else f"{named} and {len(paths) - _NAMED} more"
