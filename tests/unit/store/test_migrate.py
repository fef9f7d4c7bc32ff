"""Upgrading: databases that are there already are only asked, old ones gain what is new, newer ones are refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import alembic.command
import alembic.config
import alembic.script
import pytest
import sqlalchemy
from sqlalchemy import Engine, text

from ingester.domain.errors import ConfigurationError
from ingester.store import migrate
from ingester.store.database import connect, writing
from ingester.store.ledger import Ledger

BRANCHES = ("ledger", "data")


@pytest.fixture
def engine(any_url: str) -> Iterator[Engine]:
    engine = connect(any_url)
    yield engine
    engine.dispose()


def config() -> alembic.config.Config:
    found = alembic.config.Config()
    found.set_main_option("script_location", str(migrate._MIGRATIONS))
    return found


@pytest.mark.parametrize("branch", BRANCHES)
def test_the_last_file_of_a_branch_is_its_head(branch: str) -> None:
    script = alembic.script.ScriptDirectory.from_config(config())
    head = script.get_revision(f"{branch}@head")
    assert head is not None
    assert migrate._revisions(branch)[-1] == head.revision


def test_a_database_that_is_up_to_date_needs_no_alembic(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for branch in BRANCHES:
        migrate.upgrade(engine, branch)
    monkeypatch.setattr(migrate, "_run", lambda *_: pytest.fail("alembic was run"))
    for branch in BRANCHES:
        migrate.upgrade(engine, branch)


def test_an_up_to_date_database_is_not_waited_for(engine: Engine, any_url: str) -> None:
    migrate.upgrade(engine, "ledger")
    other = connect(any_url)
    with writing(other).begin():
        migrate.upgrade(engine, "ledger")
    other.dispose()


def test_one_half_says_nothing_about_the_other(engine: Engine) -> None:
    migrate.upgrade(engine, "data")
    migrate.upgrade(engine, "ledger")
    assert {"imports", "import_outcomes"} <= set(sqlalchemy.inspect(engine).get_table_names())


def test_a_database_of_a_newer_version_is_refused(engine: Engine) -> None:
    migrate.upgrade(engine, "ledger")
    with writing(engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ledger_9999'"))
    with pytest.raises(ConfigurationError, match="ledger_9999 by a newer version"):
        migrate.upgrade(engine, "ledger")


def test_a_database_that_is_refused_is_let_go(postgres_url: str) -> None:
    here = Ledger.open(postgres_url)
    with here.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ledger_9999'"))
    with pytest.raises(ConfigurationError) as refusal:  # which holds what was open when it was raised
        Ledger.open(postgres_url)
    ours = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    deadline = time.monotonic() + 10
    while True:
        with here.engine.connect() as connection:
            if connection.execute(ours).scalar_one() == 1:
                break
        assert time.monotonic() < deadline, refusal
    here.close()


def test_several_that_start_at_once_upgrade_once(any_url: str) -> None:
    failed: list[Exception] = []

    def start() -> None:
        try:
            Ledger.open(any_url).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_feeds_and_imports_from_before_actions_merge_as_they_did(engine: Engine) -> None:
    with writing(engine).begin() as connection:
        older = config()
        older.attributes["connection"] = connection
        alembic.command.upgrade(older, "ledger_0001")
        at = "2026-01-01 00:00:00"
        connection.execute(
            text("INSERT INTO tenants (name, catalogues, timezone, created_at) VALUES ('acme', '[]', 'UTC', :at)"),
            {"at": at},
        )
        connection.execute(
            text(
                "INSERT INTO feeds (tenant, name, catalogue, entity, pattern, duplicate_handling, created_at) "
                "VALUES ('acme', 'f', 'shop', 'item', '*', 'use_last', :at)"
            ),
            {"at": at},
        )
    migrate.upgrade(engine, "ledger")
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT action, empty_erases, removal_guard_percent, duplicate_handling FROM feeds")
        ).one()
    assert (found.action, bool(found.empty_erases), found.removal_guard_percent) == ("merge", False, 50)
    assert found.duplicate_handling == "use_last"
