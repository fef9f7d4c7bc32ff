"""The PostgreSQL that tests run against is a real one, and behaves as they count on."""

from __future__ import annotations

import psycopg
import pytest

from tests.postgres import Postgres, PostgresServer, conninfo


def test_every_test_has_a_database_of_its_own(postgres: Postgres, postgres_url: str) -> None:
    other = postgres.create_database()
    with psycopg.connect(conninfo(postgres_url)) as one, psycopg.connect(conninfo(other)) as two:
        one.execute("CREATE TABLE thing (id int)")
        one.commit()
        with pytest.raises(psycopg.errors.UndefinedTable):
            two.execute("SELECT * FROM thing")
    copy = postgres.create_database(template=postgres_url)
    with psycopg.connect(conninfo(copy)) as three:
        three.execute("SELECT * FROM thing")
    postgres.drop_database(copy)
    postgres.drop_database(other)


def test_a_killed_server_comes_back_with_what_was_committed(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("CREATE TABLE thing AS SELECT 1 AS id")
        connection.execute("CREATE UNLOGGED TABLE staging AS SELECT 1 AS id")
        postgres_server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres_server.start()
    with psycopg.connect(conninfo(url)) as connection:
        assert connection.execute("SELECT * FROM thing").fetchall() == [(1,)]
        assert connection.execute("SELECT * FROM staging").fetchall() == []
    postgres_server.restart()
    with psycopg.connect(conninfo(url)) as connection:
        assert connection.execute("SELECT * FROM thing").fetchall() == [(1,)]
