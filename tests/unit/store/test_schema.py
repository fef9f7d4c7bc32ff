"""The service's own tables: what migrations make is what the code expects."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Engine, MetaData, Table
from sqlalchemy.exc import OperationalError, StatementError

from ingester.domain.errors import ConfigurationError, TransientError
from ingester.store import data_tables, migrate
from ingester.store.database import UtcDateTime, connect, sqlite_url, translated, writing
from ingester.store.ledger_tables import LedgerTable
from ingester.store.migrate import upgrade

BRANCHES = {"ledger": LedgerTable.metadata, "data": data_tables.DataTable.metadata}


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    engine = connect(sqlite_url(tmp_path / "some.db"))
    yield engine
    engine.dispose()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def migrated(engine: Engine, branch: str) -> None:
    """Every revision, one after the other, as a database that has been there from the first version has seen them."""
    with writing(engine).begin() as connection:
        migrate._run(connection, branch)


def shape(engine: Engine) -> dict[str, Any]:
    """Everything that the database can tell about its tables."""
    inspector = sqlalchemy.inspect(engine)
    return {
        table: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)},
            sorted((tuple(index["column_names"]), index["unique"]) for index in inspector.get_indexes(table)),
            sorted(tuple(unique["column_names"]) for unique in inspector.get_unique_constraints(table)),
            sorted(
                (tuple(key["constrained_columns"]), key["referred_table"]) for key in inspector.get_foreign_keys(table)
            ),
            inspector.get_pk_constraint(table)["constrained_columns"],
        )
        for table in inspector.get_table_names()
    }


def numbered(engine: Engine) -> list[str]:
    """The tables of SQLite that never give a number twice."""
    query = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"
    with engine.connect() as connection:
        return list(connection.scalars(sqlalchemy.text(query)))


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_new_database_is_what_all_revisions_make(branch: str, any_url: str, tmp_path: Path) -> None:
    made, revised = connect(any_url), connect(sqlite_url(tmp_path / "revised.db"))
    upgrade(made, branch)
    upgrade(made, branch)
    if made.dialect.name == "sqlite":
        migrated(revised, branch)
        assert shape(made) == shape(revised)
        assert numbered(made) == numbered(revised)
    with made.connect() as connection:
        versions = list(connection.scalars(sqlalchemy.text("SELECT version_num FROM alembic_version")))
    assert versions == [migrate._revisions(branch)[-1]]
    made.dispose()
    revised.dispose()


@pytest.mark.parametrize("branch", BRANCHES)
def test_migrations_make_what_the_models_say(branch: str, any_url: str) -> None:
    engine = connect(any_url)
    migrated(engine, branch)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = [
            difference
            for difference in compare_metadata(context, BRANCHES[branch])
            if not (difference[0] == "remove_table" and difference[1].name == "alembic_version")
        ]
    engine.dispose()
    assert differences == []


@pytest.mark.parametrize("branch", BRANCHES)
def test_upgrading_again_changes_nothing(branch: str, engine: Engine, tmp_path: Path) -> None:
    upgrade(engine, branch)
    before = dump(tmp_path / "some.db")
    upgrade(engine, branch)
    assert dump(tmp_path / "some.db") == before
    assert any("CREATE TABLE" in line for line in before)


def test_both_halves_can_share_one_database(engine: Engine) -> None:
    for branch in BRANCHES:
        upgrade(engine, branch)
    tables = set(sqlalchemy.inspect(engine).get_table_names())
    assert tables >= {table for metadata in BRANCHES.values() for table in metadata.tables}


def test_an_upgrade_that_fails_leaves_nothing(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "alembic.operations.Operations.create_index",
        lambda *_, **__: (_ for _ in ()).throw(RuntimeError("power cut")),
    )
    with pytest.raises(RuntimeError, match="power cut"):
        migrated(engine, "ledger")
    assert sqlalchemy.inspect(engine).get_table_names() == []


def test_commits_reach_the_disk_before_they_return(engine: Engine) -> None:
    with engine.connect() as connection:
        said = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")}
    assert said == {"journal_mode": "wal", "synchronous": 2}


def test_a_writing_transaction_takes_the_write_lock_at_once(engine: Engine, tmp_path: Path) -> None:
    with (
        writing(engine).begin(),
        closing(sqlite3.connect(tmp_path / "some.db", timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_a_busy_database_is_a_transient_error_and_a_wrong_path_one_of_configuration() -> None:
    with pytest.raises(TransientError), translated():
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))
    with pytest.raises(ConfigurationError, match="cannot be opened"), translated():
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("unable to open database file"))
    with pytest.raises(OperationalError), translated():
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("no such table: nowhere"))


def test_a_database_this_version_does_not_speak_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="mysql"):
        connect("mysql://somewhere/else")


# --- moments ---------------------------------------------------------------------------------------------------------

MOMENTS = Table("moments", MetaData(), Column("at", UtcDateTime))


def test_moments_come_back_aware_and_in_utc(engine: Engine) -> None:
    local = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=-7)))
    with writing(engine).begin() as connection:
        MOMENTS.create(connection)
        connection.execute(MOMENTS.insert(), [{"at": local}, {"at": None}])
        stored = connection.execute(MOMENTS.select()).scalars().all()
    assert stored == [local, None]
    assert stored[0].tzinfo is UTC


def test_a_moment_of_no_known_zone_is_not_stored(engine: Engine) -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 -- the point of the test
    with writing(engine).begin() as connection:
        MOMENTS.create(connection)
        with pytest.raises(StatementError, match="naive datetime"):
            connection.execute(MOMENTS.insert(), [{"at": naive}])


# --- what is passing and what is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        *("08006", "25P03", "25P04", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P02"),
        *("57P03", "58030", "23505"),
    ],
)
def test_trouble_that_passes_is_told_by_its_code(state: str) -> None:
    with pytest.raises(TransientError), translated():
        raise psycopg.errors.lookup(state)("trouble")


@pytest.mark.parametrize("state", ["22P02", "23502", "42P01", "42703"])
def test_a_mistake_of_ours_is_not_tried_again(state: str) -> None:
    with pytest.raises(psycopg.Error), translated():
        raise psycopg.errors.lookup(state)("mistake")


@pytest.mark.parametrize("state", ["28P01", "28000", "3D000"])
def test_a_database_that_refuses_us_is_a_matter_of_configuration(state: str) -> None:
    with pytest.raises(ConfigurationError, match="refuses us"), translated():
        raise psycopg.errors.lookup(state)("no")


def test_a_server_that_is_not_there_is_a_passing_trouble(tmp_path: Path) -> None:
    engine = connect(f"postgresql+psycopg://someone@/nothing?host={tmp_path}")
    with pytest.raises(TransientError), translated(), engine.connect():
        pass


def test_a_session_keeps_its_own_time_and_is_never_cut_short(postgres_url: str) -> None:
    engine = connect(postgres_url)
    names = ("timezone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with engine.connect() as connection:
        said = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
    engine.dispose()
    assert said == ["UTC", "0", "0", "0"]
