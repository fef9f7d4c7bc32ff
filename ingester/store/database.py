"""Opening databases, SQLite or PostgreSQL: engines with the durability the promise needs, and their schema."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from select import POLLIN, poll
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, DateTime, Dialect, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from ingester.domain.errors import ConfigurationError, TransientError

_BUSY_SECONDS = 30.0
_BUSY_PAUSE_SECONDS = 0.01
#: A PostgreSQL connection that idled for less is taken to be alive; if it is not, what uses it fails and is retried.
_TRUSTED_SECONDS = 1.0
_IDLE_SINCE, _BEGAN_AT = "idle_since", "began_at"
_PAGE_BYTES = 16_384
_CACHE_KIB = 16_384
#: Of PostgreSQL's advisory locks; any number that no other program of the database uses.
_WRITE_LOCK = 0x696E67657374

#: Of a session on PostgreSQL. An import is one transaction, however long it takes, and writes its reports inside it.
_SESSION = {
    "timezone": "UTC",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; stored without an offset where the database has no type for one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values: nothing in the service knows what hour they mean."""
        if value is None:
            return None
        assert value.tzinfo is not None, "naive datetime"
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the offset back."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def now() -> datetime:
    """The current moment, aware, in UTC."""
    return datetime.now(UTC)


def moment(session: Session) -> datetime:
    """Now, by the database's own clock where it has one: those of several machines differ.

    Of a short transaction that writes, the moment when it got its lock.
    """
    if session.get_bind().dialect.name != "postgresql":
        return now()
    found = session.connection().info.get(_BEGAN_AT) or session.execute(select(func.clock_timestamp())).scalar_one()
    assert isinstance(found, datetime)
    return found


def sqlite_url(path: Path) -> str:
    """The SQLAlchemy URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def sqlite_file(url: str | URL) -> Path | None:
    """The file of a SQLite URL; None for another database."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.drivername == "sqlite" else None


def connect(url: str) -> Engine:
    """An engine for `url`, not yet connected: `sqlite:///PATH` or `postgresql+psycopg://…`.

    Commits are durable before they return, since an upload is answered OK on the strength of one. Raises
    ConfigurationError for a URL of anything else.
    """
    try:
        backend = make_url(url).drivername
    except ArgumentError:
        backend = url.split(":", 1)[0]
    if backend == "sqlite":
        return _connect_sqlite(url)
    if backend == "postgresql+psycopg":
        return _connect_postgres(url)
    raise ConfigurationError(
        f"database_url starts with '{backend}:', which this version does not speak",
        fix="Use sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE.",
    )


def _connect_sqlite(url: str) -> Engine:
    """WAL with synchronous=FULL: readers never wait for a merge, and a commit survives a power cut."""
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # SQLAlchemy begins transactions below; the driver's own implicit BEGIN would come too late to be IMMEDIATE.
        connection.isolation_level = None
        # Larger pages save a third of the time of a bulk insert; they take effect in a database that is still empty.
        for pragma in (
            f"page_size={_PAGE_BYTES}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=FILE",
            f"cache_size=-{_CACHE_KIB}",
        ):
            _set(connection, pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get('relaxed') else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("immediate") else "BEGIN")

    return engine


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """Execute a pragma; SQLite itself waits for nobody who makes a new database a WAL one at the same time."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)


def connect_to_read(url: str) -> Engine:
    """An engine for `url` that can change nothing and waits for nobody for long; the file of a SQLite URL must exist.

    It does not even make a file beside SQLite's, which would belong to whoever looks, not to the service.
    """
    parsed = make_url(url)
    if parsed.drivername != "sqlite":
        settings = {"default_transaction_read_only": "on", "statement_timeout": "5000", "lock_timeout": "5000"}
        return _connect_postgres(url, {**_SESSION, **settings}, seconds=5)
    path = Path(parsed.database or "").absolute()
    # Without a log beside it nobody has the file open, and opening it as usual would make one.
    how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    return create_engine(url, creator=lambda: sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True))


def _connect_postgres(
    url: str, session: Mapping[str, str] = MappingProxyType(_SESSION), seconds: float = _BUSY_SECONDS
) -> Engine:
    """READ COMMITTED, moments in UTC; a connection that died while it idled in the pool is replaced unnoticed."""
    engine = create_engine(
        url,
        connect_args={
            "application_name": "ingester",
            "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
            "connect_timeout": int(seconds),
        },
    )

    @event.listens_for(engine, "checkin")
    def _note(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        # SQLAlchemy's own `pool_pre_ping` asks each time: a third of what a busy worker says to the database.
        idle_since = record.info.get(_IDLE_SINCE)
        if idle_since is None:
            return  # made just now
        if time.monotonic() - idle_since < _TRUSTED_SECONDS and not _has_heard(connection):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.info.pop(_BEGAN_AT, None)
        if not options.get("immediate"):
            return
        # In one message, since a busy worker's time goes into waiting for answers: the connection has autocommit, so
        # that psycopg does not begin by itself; its commit and rollback end any transaction there is.
        said = [
            "BEGIN",
            f"SET LOCAL synchronous_commit TO {'off' if options.get('relaxed') else 'on'}",
            # Whoever is stopped, or loses its host, while it holds the lock loses it; nobody waits for it for ever.
            "SET LOCAL idle_in_transaction_session_timeout = '10s'",
            "SET LOCAL lock_timeout = '30s'",
            f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})",
            "SELECT clock_timestamp()",
        ]
        try:
            answers = driver(connection).execute("; ".join(said))
            while answers.nextset():
                pass
            (connection.info[_BEGAN_AT],) = answers.fetchone()
        except engine.dialect.loaded_dbapi.Error as error:
            if engine.dialect.is_disconnect(error, driver(connection), None):
                connection.invalidate(error)
            raise

    return engine


def _has_heard(connection: Any) -> bool:
    """Whether a server that was asked nothing has said something to an idle connection: that it ends, as a rule."""
    if connection.closed:
        return True
    poller = poll()
    poller.register(connection.fileno(), POLLIN)
    return bool(poller.poll(0))


def reading(engine: Engine) -> Engine:
    """The same engine and pool for transactions that only read.

    On PostgreSQL each statement is one of its own, and sees what is committed then, as at READ COMMITTED it does in any
    case. That saves two round trips of three, and the prepared statements that psycopg forgets with every rollback.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT") if engine.dialect.name == "postgresql" else engine


def writing(engine: Engine) -> Engine:
    """The same engine and pool for short transactions that write: one at a time, so that they never deadlock.

    On SQLite they take its write lock first, on PostgreSQL an advisory lock of the service's own.
    """
    return engine.execution_options(immediate=True, **_beginning_by_hand(engine))


def noting(engine: Engine) -> Engine:
    """As `writing`, for what would be found out again if a power cut took it: its commit does not wait for the disk.

    Commits keep their order all the same, and a killed process loses nothing.
    """
    return engine.execution_options(immediate=True, relaxed=True, **_beginning_by_hand(engine))


def _beginning_by_hand(engine: Engine) -> dict[str, Any]:
    return {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {}


def merging(engine: Engine) -> Engine:
    """The same engine and pool for the long transaction of an import, which must not block the short ones.

    SQLite has one writer at a time, so it is `writing` there; on PostgreSQL the merge locks its own records only.
    """
    return writing(engine) if engine.dialect.name == "sqlite" else engine


def is_postgres(connection: Connection) -> bool:
    """Which of the two databases it is."""
    return connection.dialect.name == "postgresql"


_TRANSIENT = re.compile(r"locked|busy|disk is full|disk I/O error", re.IGNORECASE)
#: PostgreSQL: lost connections, timeouts, deadlocks and serialisation failures, no space or memory, shutdown, system
#: errors. And unique violations, which mean that another import was faster: what is unique in a file is checked before.
_TRANSIENT_STATES = ("08", "25P03", "25P04", "40", "53", "55P03", "57", "58", "23505")
_NO_DATABASE = ("28", "3D000")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's complaints about the outside world into our own errors."""
    try:
        yield
    except DBAPIError as error:
        raise _translated(error, error.orig) from error
    except sqlite3.OperationalError as error:  # from statements that went past SQLAlchemy
        raise _translated(error, error) from error
    except Exception as error:
        # psycopg is not imported here: a listener on SQLite does without it.
        if type(error).__module__.partition(".")[0] != "psycopg":
            raise
        raise _translated(error, error) from error


def _translated(error: Exception, cause: BaseException | None) -> Exception:
    text = " ".join(str(cause).split())
    if type(cause).__module__.partition(".")[0] == "psycopg":
        import psycopg

        state = getattr(cause, "sqlstate", None)
        if state is not None and state.startswith(_NO_DATABASE):
            return ConfigurationError(f"the database refuses us: {text}", fix="Check database_url and its password.")
        # Without a state the connection was never made, or broke in the middle of a statement.
        lost = state is None and isinstance(cause, psycopg.OperationalError)
        if lost or (state or "").startswith(_TRANSIENT_STATES):
            return TransientError(f"the database is not available now: {text}")
        return error
    if "unable to open" in text or "readonly" in text:
        return ConfigurationError(
            f"the database cannot be opened: {text}", fix="Check that the data directory exists and is writable."
        )
    if "not a database" in text:
        return ConfigurationError("the database file is no SQLite database", fix="Check the path.")
    return TransientError(f"the database is not available now: {text}") if _TRANSIENT.search(text) else error


def driver(connection: Connection) -> Any:
    """The DBAPI connection itself, for bulk statements that SQLAlchemy would only slow down."""
    return connection.connection.driver_connection


def notify(engine: Engine, channel: str) -> bool:
    """Tell whoever listens on a channel of PostgreSQL; False where there is no such thing."""
    if engine.dialect.name != "postgresql":
        return False
    with translated(), reading(engine).connect() as connection:
        connection.exec_driver_sql(f"NOTIFY {channel}")  # a transaction of its own
    return True


def listener(engine: Engine, channel: str) -> Any:
    """A connection of psycopg's own that listens on a channel; None where there is no such thing. Close it."""
    if engine.dialect.name != "postgresql":
        return None
    with translated():
        pooled = engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        assert connection is not None
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {channel}")
        except BaseException:
            connection.close()
            raise
    return connection
