"""What a good engineer would do by hand with the customer file, and nothing more: the peers we are measured against."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.course import Course, CustomerFile
from tests.benchmarks.generate import HEADER, LIFECYCLE
from tests.benchmarks.inprocess import Clock

if TYPE_CHECKING:
    import psycopg

_COLUMNS = ", ".join(HEADER)
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in HEADER[1:])
_TEXTS = ", ".join(f"{name} text" for name in HEADER)


def sqlite_upsert(course: Course, clock: Clock) -> None:
    """`csv.reader` into an upsert by `executemany`, in one transaction. Validates nothing."""
    file = course.files["customers"]
    target = Path(course.folder, "recipe.db")
    for lap in ("first", "again"):
        with clock(lap):
            _sqlite_upsert(file, target)
    keyless = file.faults.get("required", 0)  # '' is a key like any other here
    with closing(sqlite3.connect(target)) as connection:
        _expect(connection.execute("SELECT count(*) FROM customer").fetchall(), [(file.rows - max(keyless - 1, 0),)])


def _sqlite_upsert(file: CustomerFile, target: Path) -> None:
    places = ", ".join("?" * len(HEADER))
    with closing(sqlite3.connect(target)) as connection, Path(file.path).open(encoding="utf-8", newline="") as lines:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS customer (id INTEGER PRIMARY KEY, tenant_id TEXT, source TEXT, {_COLUMNS},"
            " UNIQUE (tenant_id, source, external_id))"
        )
        rows = csv.reader(lines)
        next(rows)
        connection.executemany(
            f"INSERT INTO customer (tenant_id, source, {_COLUMNS}) VALUES ('t', 's', {places})"
            f" ON CONFLICT (tenant_id, source, external_id) DO UPDATE SET {_UPDATES}",
            rows,
        )
        connection.commit()


def postgres_upsert(course: Course, clock: Clock) -> None:
    """COPY of the file as it is into unlogged staging, then one upsert, in one transaction. Validates nothing."""
    import psycopg

    from tests.postgres import conninfo

    file = course.files["customers"]
    with psycopg.connect(conninfo(course.database_url)) as connection:
        connection.execute(
            "CREATE TABLE customer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id text NOT NULL,"
            f" source text NOT NULL, {_TEXTS}, UNIQUE (tenant_id, source, external_id))".encode()
        )
        connection.commit()
        for lap, keyless in (("first", 1), ("again", 2)):
            with clock(lap):
                _postgres_upsert(file, connection)
            # COPY reads an empty cell as NULL, and no NULL conflicts with another.
            expected = file.rows + (keyless - 1) * file.faults.get("required", 0)
            _expect(connection.execute("SELECT count(*) FROM customer").fetchall(), [(expected,)])
            connection.commit()


def _postgres_upsert(file: CustomerFile, connection: psycopg.Connection) -> None:
    with Path(file.path).open("rb") as source, connection.cursor() as cursor:
        cursor.execute(f"CREATE UNLOGGED TABLE staging ({_TEXTS})".encode())
        with cursor.copy("COPY staging FROM STDIN (FORMAT csv, HEADER true)") as copy:
            while data := source.read(1 << 20):
                copy.write(data)
        cursor.execute(
            f"INSERT INTO customer (tenant_id, source, {_COLUMNS}) SELECT 't', 's', {_COLUMNS} FROM staging"
            f" ON CONFLICT (tenant_id, source, external_id) DO UPDATE SET {_UPDATES}".encode()
        )
        cursor.execute("DROP TABLE staging")
        connection.commit()


def duckdb_count(course: Course, clock: Clock) -> None:
    """DuckDB reads every cell as text and counts the kinds of violation that there are, and the distinct keys.

    It reports no row, and leaves out the checks that find nothing here: lengths, phone numbers, the earliest date.
    """
    import duckdb

    file = course.files["customers"]
    words = ", ".join(f"'{word}'" for word in LIFECYCLE)
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in HEADER)
    query = f"""
        SELECT count(*) FILTER (external_id IS NULL OR external_id = ''),
               count(*) FILTER (NOT regexp_full_match(email, '[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)+')),
               count(*) FILTER (lifecycle_status NOT IN ({words})),
               count(*) FILTER (NOT regexp_full_match(created_on, '\\d{{4}}-\\d{{2}}-\\d{{2}}')
                                OR try_cast(created_on AS DATE) IS NULL),
               count(*) FILTER (NOT regexp_full_match(balance, '[+-]?\\d+(\\.\\d+)?')),
               count(DISTINCT external_id)
        FROM read_csv(?, header = true, columns = {{{columns}}})
    """
    with clock("validate"):
        (counted,) = duckdb.execute(query, [file.path]).fetchall()
    _expect(sum(counted[:-1]), file.bad_alone)


def _expect(found: object, expected: object) -> None:
    """Nobody is fast by being wrong."""
    if found != expected:
        raise AssertionError(f"found {found}, the file has {expected}")
