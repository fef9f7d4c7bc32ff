"""What a good engineer would do by hand with the customer file, and nothing more: the peers we are measured against.

Each recipe runs as a process of its own and prints what it counted as JSON:

    python -m tests.benchmarks.recipe sqlite_upsert customers.csv target.db
"""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.benchmarks.generate import HEADER, LIFECYCLE


def sqlite_upsert(file: Path, database: Path) -> dict[str, int]:
    """`csv.reader` into an upsert by `executemany`, in one transaction. Validates nothing."""
    columns, places = ", ".join(HEADER), ", ".join("?" * len(HEADER))
    updates = ", ".join(f"{name} = excluded.{name}" for name in HEADER[1:])
    with closing(sqlite3.connect(database)) as connection, file.open(encoding="utf-8", newline="") as lines:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS customer (id INTEGER PRIMARY KEY, tenant_id TEXT, source TEXT, {columns},"
            " UNIQUE (tenant_id, source, external_id))"
        )
        rows = csv.reader(lines)
        next(rows)
        connection.executemany(
            f"INSERT INTO customer (tenant_id, source, {columns}) VALUES ('t', 's', {places})"
            f" ON CONFLICT (tenant_id, source, external_id) DO UPDATE SET {updates}",
            rows,
        )
        connection.commit()
        ((count,),) = connection.execute("SELECT count(*) FROM customer")
    return {"records": count}


def duckdb_count(file: Path) -> dict[str, int]:
    """DuckDB reads every cell as text and counts the same violations and the distinct keys. Reports no row."""
    import duckdb

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
    (counted,) = duckdb.execute(query, [str(file)]).fetchall()
    return {"bad_rows": sum(counted[:-1])}


RECIPES: dict[str, Callable[..., dict[str, int]]] = {
    recipe.__name__: recipe for recipe in (sqlite_upsert, duckdb_count)
}


def main() -> None:
    name, *paths = sys.argv[1:]
    print(json.dumps(RECIPES[name](*map(Path, paths))))


if __name__ == "__main__":
    main()
