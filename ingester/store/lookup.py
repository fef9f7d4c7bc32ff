"""Set-based questions about stored records: which references are missing, which unique values are taken (SQLite).

Values come as numbered batches and go through a temporary table; answers are the numbers, ascending.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection

from ingester.ruleset.model import Entity, ForeignKey
from ingester.store.database import driver
from ingester.store.merge import Scope, numbered_rows, quoted

Numbered = Iterable[tuple[npt.NDArray[np.int64], pa.RecordBatch]]


def missing_references(
    connection: Connection, entity: Entity, foreign_key: ForeignKey, values: Numbered, scope: Scope
) -> npt.NDArray[np.int64]:
    """Which of `values` (one column per key field, in order) no stored record answers."""
    target = quoted(f"{entity.catalogue}__{foreign_key.entity}")
    same = " AND ".join(f"t.{quoted(name)} = w.c{i}" for i, name in enumerate(foreign_key.reference_fields))
    return _numbers(
        connection,
        len(foreign_key.fields),
        values,
        f"SELECT w.number FROM temp.wanted AS w WHERE NOT EXISTS (SELECT 1 FROM {target} AS t "
        f"WHERE t.tenant_id = :tenant AND t.source = :source AND {same}) ORDER BY w.number",
        scope,
    )


def taken_values(
    connection: Connection, entity: Entity, field: str, values: Numbered, scope: Scope
) -> npt.NDArray[np.int64]:
    """Which of `values` (the field's value, then the record's key) another stored record has.

    A stored record whose key is also in `values` does not count: the file says what its value will be.
    """
    key = entity.primary_key
    in_file = " AND ".join(f"o.c{i + 1} = t.{quoted(name)}" for i, name in enumerate(key))
    not_in_file = f"AND NOT EXISTS (SELECT 1 FROM temp.wanted AS o WHERE {in_file})" if key else ""
    return _numbers(
        connection,
        1 + len(key),
        values,
        f"SELECT DISTINCT w.number FROM temp.wanted AS w "
        f"JOIN {quoted(entity.table)} AS t ON t.{quoted(field)} = w.c0 "
        f"WHERE t.tenant_id = :tenant AND t.source = :source {not_in_file} ORDER BY w.number",
        scope,
    )


def _numbers(connection: Connection, columns: int, values: Numbered, query: str, scope: Scope) -> npt.NDArray[np.int64]:
    database = driver(connection)
    names = [f"c{i}" for i in range(columns)]
    database.execute("DROP TABLE IF EXISTS temp.wanted")
    database.execute(f"CREATE TEMP TABLE wanted (number INTEGER PRIMARY KEY, {', '.join(names)})")
    insert = f"INSERT INTO temp.wanted VALUES ({', '.join('?' * (columns + 1))})"
    for rows in numbered_rows(values):
        database.executemany(insert, rows)
    if columns > 1:
        database.execute(f"CREATE INDEX temp.wanted_key ON wanted ({', '.join(names[1:])})")
    found = database.execute(query, {"tenant": scope.tenant, "source": scope.source}).fetchall()
    database.execute("DROP TABLE temp.wanted")
    return np.array([number for (number,) in found], dtype=np.int64)
