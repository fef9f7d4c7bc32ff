"""Checks of the databases: they answer, have this version's schema, and lie where SQLite can live."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, text

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject, reason
from ingester.domain.errors import ConfigurationError, TransientError
from ingester.store import database, migrate
from ingester.store.migrate import Schema

#: Older ones get no security fixes any more.
_OLDEST_POSTGRES = 14
#: On these, locks and memory shared between processes cannot be relied on.
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.glusterfs", "lustre", "afs"}
_UPGRADE = "`ingester db upgrade`, or start the service, which does the same."


def databases(subject: Subject) -> Iterator[Finding]:
    """Whether each database answers, and of which version it is."""
    for name, engine in _each(subject):
        try:
            with database.translated(), engine.connect() as connection:
                if not database.is_postgres(connection):
                    connection.execute(text("SELECT count(*) FROM sqlite_master"))
                    yield ok(f"{name} answers: SQLite {sqlite3.sqlite_version}")
                    continue
                version = str(connection.scalar(text("SHOW server_version")))
        except (ConfigurationError, TransientError) as error:
            fix = error.fix or "Start the database, or correct database_url."
            yield wrong(f"{name} does not answer: {reason(error)}", fix)
            continue
        if int(version.split(".")[0]) < _OLDEST_POSTGRES:
            yield warning(f"{name} answers: PostgreSQL {version}", f"Upgrade it to {_OLDEST_POSTGRES} or newer.")
        else:
            yield ok(f"{name} answers: PostgreSQL {version}")


def schemas(subject: Subject) -> Iterator[Finding]:
    """Whether each database has this version's tables."""
    for name, engine in _each(subject):
        for branch in ("ledger", "data") if name == "database" else (name,):
            try:
                found = migrate.state(engine, branch)
            except (ConfigurationError, TransientError):
                continue  # it does not answer, which is told elsewhere
            match found:
                case Schema.CURRENT:
                    yield ok(f"the tables of the {branch} are up to date")
                case Schema.NEWER:
                    yield wrong(
                        f"the tables of the {branch} are of a newer version", "Install that version of ingester."
                    )
                case Schema.OLDER:
                    yield wrong(f"the tables of the {branch} are of an older version", _UPGRADE)
                case Schema.NONE:
                    yield wrong(f"there are no tables of the {branch}", _UPGRADE)


def journals(subject: Subject) -> Iterator[Finding]:
    """Whether SQLite files have a write-ahead log, so that nobody who reads waits for a merge."""
    for name, path in _files(subject):
        with path.open("rb") as file:
            # File format versions for writing and reading, https://sqlite.org/fileformat2.html: 2 is WAL.
            header = file.read(20)
        if header[18:20] == b"\x02\x02":
            yield ok(f"{name} has a write-ahead log")
        else:
            yield warning(
                f"{name} has no write-ahead log", "Stop other programs that use it; the service sets it at its start."
            )


def network_filesystem(subject: Subject) -> Iterator[Finding]:
    """Whether SQLite files are on a disk of this machine."""
    for name, path in _files(subject):
        kind = filesystem(path, Path("/proc/self/mountinfo").read_text())
        if kind in _REMOTE:
            yield wrong(
                f"{name} is on a network filesystem ({kind}), where SQLite loses data",
                "Move the data directory to a local disk, or set database_url to a PostgreSQL.",
            )
        else:
            yield ok(f"{name} is on a local filesystem ({kind or 'unknown'})")


def filesystem(path: Path, mounts: str) -> str:
    """The type of the filesystem that holds `path`, from the text of a mountinfo file (proc(5)); empty if unknown."""
    found, longest = "", -1
    for line in mounts.splitlines():
        mounted, _, rest = line.partition(" - ")
        place = mounted.split()[4].encode().decode("unicode_escape")
        # Of several on one place the last one hides the others.
        if path.resolve().is_relative_to(place) and len(place) >= longest:
            found, longest = rest.split()[0], len(place)
    return found


def _each(subject: Subject) -> Iterator[tuple[str, Engine]]:
    """Names and databases; PostgreSQL's one is all."""
    ledger, data = subject.settings.ledger_url, subject.settings.data_url
    for name, url in (("database", ledger),) if ledger == data else (("ledger", ledger), ("data", data)):
        engine = subject.engine(url)
        if engine is not None:
            yield name, engine


def _files(subject: Subject) -> Iterator[tuple[str, Path]]:
    for name, url in (("ledger", subject.settings.ledger_url), ("data", subject.settings.data_url)):
        path = database.sqlite_file(url)
        if path is not None and path.exists():
            yield name, path
