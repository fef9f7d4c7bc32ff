"""The schema of the service's own tables: brought to this version's state, or found to be there already.

Revisions are files `migrations/versions/<branch>_<number>.py`, numbered in their branch; the last one is its head.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, Engine

from ingester.domain.errors import ConfigurationError
from ingester.store import database
from ingester.store.data_tables import DataTable
from ingester.store.ledger_tables import LedgerTable

_MIGRATIONS = Path(__file__).parent / "migrations"
_METADATA = {"ledger": LedgerTable.metadata, "data": DataTable.metadata}
_TABLES = {branch: metadata.tables for branch, metadata in _METADATA.items()}
_VERSIONS = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num"))


class Schema(Enum):
    """How a database's tables compare with those of this version."""

    NONE = "none"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def opened(url: str, branch: str) -> Engine:
    """An engine for `url` whose half of the schema has this version's state; see `database.connect` and `upgrade`."""
    engine = database.connect(url)
    try:
        upgrade(engine, branch)
    except BaseException:
        engine.dispose()
        raise
    return engine


def upgrade(engine: Engine, branch: str) -> None:
    """Bring one half of the schema (`ledger` or `data`) to this version's state, atomically.

    One that has that state already is only asked. Raises ConfigurationError for one that a newer version has upgraded.
    """
    with database.translated():
        # Asked in a transaction that only reads: nobody waits for a merge to find that there is nothing to do.
        with engine.connect() as connection:
            if _is_current(connection, branch):
                return
        with database.writing(engine).begin() as connection:
            if not _is_current(connection, branch):  # another process may have been faster
                make = _create if _is_new(connection, branch) else _run
                make(connection, branch)


def state(engine: Engine, branch: str) -> Schema:
    """How one half of the schema compares with this version's; changes nothing."""
    with database.translated(), engine.connect() as connection:
        stored = _stored(connection, branch)
    if not stored:
        return Schema.NONE
    known = _revisions(branch)
    if stored - set(known):
        return Schema.NEWER
    return Schema.CURRENT if known[-1] in stored else Schema.OLDER


def _is_current(connection: Connection, branch: str) -> bool:
    stored, known = _stored(connection, branch), _revisions(branch)
    newer = sorted(stored - set(known))
    if newer:
        raise ConfigurationError(
            f"the database was upgraded to {newer[0]} by a newer version of ingester", fix="Install that version."
        )
    return known[-1] in stored


def _stored(connection: Connection, branch: str) -> set[str]:
    """The revisions of a branch that a database is at: one, or none."""
    if not sqlalchemy.inspect(connection).has_table(_VERSIONS.name):
        return set()
    versions = connection.scalars(sqlalchemy.select(_VERSIONS.c.version_num))
    return {version for version in versions if version.startswith(f"{branch}_")}


@cache
def _revisions(branch: str) -> tuple[str, ...]:
    """The revisions of a branch that this version knows, oldest first."""
    return tuple(sorted(path.stem for path in (_MIGRATIONS / "versions").glob(f"{branch}_*.py")))


def _is_new(connection: Connection, branch: str) -> bool:
    return not _TABLES[branch].keys() & set(sqlalchemy.inspect(connection).get_table_names())


def _create(connection: Connection, branch: str) -> None:
    """Make in one step what all revisions would: a new service need not load Alembic, nor keep it in memory."""
    _METADATA[branch].create_all(connection, checkfirst=False)
    # As Alembic makes it.
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {_VERSIONS.name} "
        "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute(sqlalchemy.insert(_VERSIONS), [{"version_num": _revisions(branch)[-1]}])


def _run(connection: Connection, branch: str) -> None:
    # Loading Alembic takes longer than most commands do, and nearly all find nothing to upgrade.
    import alembic.command
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, f"{branch}@head")
