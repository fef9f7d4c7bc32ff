"""A ledger of one's own on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingester.store.database import sqlite_url
from ingester.store.ledger import Ledger
from tests.postgres import Postgres

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(params=DATABASES)
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    return sqlite_url(tmp_path / "any.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture(scope="session")
def postgres_ledger(postgres: Postgres) -> Iterator[str]:
    """A database with an empty ledger, to be copied: much quicker than migrating one for each test."""
    url = postgres.create_database()
    Ledger.open(url).close()
    yield url
    postgres.drop_database(url)


@pytest.fixture(params=DATABASES)
def any_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger, on each kind of database in turn."""
    if request.param == "sqlite":
        ledger = Ledger.open(sqlite_url(tmp_path / "ledger.db"))
        yield ledger
        ledger.close()
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.create_database(template=request.getfixturevalue("postgres_ledger"))
    ledger = Ledger.open(url)
    yield ledger
    ledger.close()
    postgres.drop_database(url)
