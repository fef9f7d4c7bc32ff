"""Opening databases: engines with the durability the promise needs, and their schema brought up to date."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from sqlalchemy import Connection, DateTime, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.types import TypeDecorator

from ingester.domain.errors import ConfigurationError, TransientError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 30.0


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


def sqlite_url(path: Path) -> str:
    """The SQLAlchemy URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def connect(url: str) -> Engine:
    """An engine for `url`, not yet connected. Transactions begin IMMEDIATE under `writing(engine)`.

    Commits are durable before they return: WAL with synchronous=FULL, since an upload is answered OK on the
    strength of one.
    """
    if not url.startswith("sqlite:///"):
        scheme = url.split(":", 1)[0]
        raise ConfigurationError(
            f"database_url starts with '{scheme}:', which this version does not speak", fix="Use sqlite:///PATH."
        )
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # SQLAlchemy begins transactions below; the driver's own implicit BEGIN would come too late to be IMMEDIATE.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=FILE"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def writing(engine: Engine) -> Engine:
    """The same engine and pool for transactions that write: they take the write lock first and never deadlock."""
    return engine.execution_options(immediate=True)


def upgrade(engine: Engine, branch: str) -> None:
    """Bring one half of the schema (`ledger` or `data`) to this version's state, atomically."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with translated(), writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, f"{branch}@head")


_TRANSIENT = re.compile(r"locked|busy|disk is full|disk I/O error", re.IGNORECASE)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's complaints about the outside world into our own errors."""
    try:
        yield
    except OperationalError as error:
        text = str(error.orig)
        if "unable to open" in text or "readonly" in text:
            raise ConfigurationError(
                f"the database cannot be opened: {text}", fix="Check that the data directory exists and is writable."
            ) from error
        raise _transient_or_same(error, text) from error
    except DatabaseError as error:
        if "not a database" in str(error.orig):
            raise ConfigurationError("the database file is no SQLite database", fix="Check the path.") from error
        raise _transient_or_same(error, str(error.orig)) from error
    except DBAPIError as error:
        raise _transient_or_same(error, str(error.orig)) from error
    except sqlite3.OperationalError as error:  # from statements that went past SQLAlchemy
        raise _transient_or_same(error, str(error)) from error


def _transient_or_same(error: Exception, text: str) -> Exception:
    return TransientError(f"the database is not available now: {text}") if _TRANSIENT.search(text) else error


def driver(connection: Connection) -> Any:
    """The DBAPI connection itself, for bulk statements that SQLAlchemy would only slow down."""
    return connection.connection.driver_connection
