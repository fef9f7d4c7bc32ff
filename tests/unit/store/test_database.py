"""Transactions on either database: what fails is undone whole, writers take turns, lost connections are replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from ingester.domain.errors import TransientError
from ingester.store.database import connect, moment, noting, reading, translated, writing
from ingester.store.writeback import eased


@pytest.fixture
def engine(any_url: str) -> Iterator[Engine]:
    engine = connect(any_url)
    with writing(engine).begin() as connection:
        connection.execute(text("CREATE TABLE told (word VARCHAR(10) PRIMARY KEY)"))
    yield engine
    engine.dispose()


@pytest.fixture
def pool(postgres_url: str) -> Iterator[Engine]:
    engine = connect(postgres_url)
    yield engine
    engine.dispose()


def words(engine: Engine) -> list[str]:
    with reading(engine).connect() as connection:
        return list(connection.scalars(text("SELECT word FROM told ORDER BY word")))


def say(session: Session, word: str) -> None:
    session.execute(text("INSERT INTO told VALUES (:word)"), {"word": word})


def attempt(engine: Engine, *said: str) -> None:
    """Say words in one transaction; an empty one is a mistake of ours."""
    with Session(engine) as session, session.begin():
        for word in said:
            say(session, word)
            assert word


@pytest.mark.parametrize("how", [writing, noting])
def test_whatever_is_raised_undoes_all_that_was_written(engine: Engine, how: Callable[[Engine], Engine]) -> None:
    with pytest.raises(AssertionError):
        attempt(how(engine), "one", "two", "")
    assert words(engine) == []
    with pytest.raises(DBAPIError):
        attempt(how(engine), "one", "one")
    assert words(engine) == []
    with Session(how(engine)) as session:  # nobody commits
        say(session, "one")
    assert words(engine) == []
    with Session(how(engine)) as session, session.begin():
        session.connection().execute(text("INSERT INTO told VALUES (:word)"), [{"word": "one"}, {"word": "two"}])
        assert words(engine) == []
    assert words(engine) == ["one", "two"]


def test_writers_take_turns_and_know_when_theirs_began(engine: Engine) -> None:
    began: list[float] = []

    def write() -> None:
        with Session(writing(engine)) as session, session.begin():
            session.connection()
            began.append(moment(session).timestamp())

    with Session(writing(engine)) as session, session.begin():
        session.connection()
        first = moment(session)
        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(0.3)
        assert began == []
    thread.join()
    assert began[0] - first.timestamp() >= 0.3
    with Session(reading(engine)) as session:
        assert moment(session).timestamp() >= began[0], "a reader is told the time, not that of an earlier writer"


def end_sessions(engine: Engine) -> None:
    """As an administrator may, or a server that is started again."""
    other = connect(engine.url.render_as_string(hide_password=False))
    with reading(other).connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()


def test_connections_that_a_server_ended_are_replaced_unnoticed(pool: Engine) -> None:
    kept = [pool.connect() for _ in range(3)]
    for each in kept:
        each.close()
    end_sessions(pool)
    for how in (writing, reading, noting):
        with how(pool).connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1


@pytest.fixture
def told(pool: Engine) -> None:
    with writing(pool).begin() as connection:
        connection.execute(text("CREATE TABLE told (word VARCHAR(10) PRIMARY KEY)"))


def interrupted(pool: Engine, by: Callable[[Session], None]) -> None:
    with translated(), Session(writing(pool)) as session, session.begin():
        say(session, "one")
        by(session)
        say(session, "three")


@pytest.mark.usefixtures("told")
def test_a_connection_that_ends_in_the_middle_fails_once_and_changes_nothing(pool: Engine) -> None:
    with pytest.raises(TransientError):
        interrupted(pool, lambda _: end_sessions(pool))
    assert words(pool) == []


@pytest.mark.usefixtures("told")
def test_a_writer_that_stops_loses_its_lock_and_commits_nothing(pool: Engine) -> None:
    def stop(session: Session) -> None:
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '100ms'"))
        attempt(writing(pool), "two")

    with pytest.raises(TransientError):
        interrupted(pool, stop)
    assert words(pool) == ["two"]


def test_the_time_that_a_writer_is_told_is_the_databases(pool: Engine) -> None:
    with Session(writing(pool)) as session, session.begin():
        clock = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert timedelta() <= clock - moment(session) < timedelta(seconds=5)


def test_write_back_is_eased_only_as_long_as_it_is_asked_for_and_harms_nothing(tmp_path: Path) -> None:
    def easing() -> bool:
        return any(thread.name == "writeback" for thread in threading.enumerate())

    there = tmp_path / "data.db"
    there.touch()
    for database in (there, tmp_path, tmp_path / "gone.db", None):
        with eased(database):
            assert easing() is (database is not None and database.exists())
            time.sleep(0.25)
        assert not easing()
    with pytest.raises(ZeroDivisionError), eased(there):
        _ = 1 / 0
    assert not easing()
