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
    found = _ask(
        connection,
        len(foreign_key.fields),
        values,
        f"SELECT w.number FROM temp.wanted AS w WHERE NOT EXISTS (SELECT 1 FROM {target} AS t "
        f"WHERE t.tenant_id = :tenant AND t.source = :source AND {same}) ORDER BY w.number",
        scope,
    )
    return found[:, 0]


def taken_values(
    connection: Connection, entity: Entity, field: str, values: Numbered, scope: Scope
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which of `values` (the field's value, then the record's key) a stored record of another key has.

    Beside each stands the number under which `values` say what becomes of that other record, and so perhaps free its
    value; 0 where they do not name it.
    """
    key = entity.primary_key
    own = " AND ".join(f"t.{quoted(name)} = w.c{i + 1}" for i, name in enumerate(key)) or "0"
    other = " AND ".join(f"o.c{i + 1} = t.{quoted(name)}" for i, name in enumerate(key)) or "0"
    found = _ask(
        connection,
        1 + len(key),
        values,
        f"SELECT w.number, coalesce(o.number, 0) FROM temp.wanted AS w "
        f"CROSS JOIN {quoted(entity.table)} AS t ON t.{quoted(field)} = w.c0 "
        f"LEFT JOIN temp.wanted AS o ON {other} "
        f"WHERE t.tenant_id = :tenant AND t.source = :source AND NOT ({own}) ORDER BY w.number",
        scope,
    )
    return found[:, 0], found[:, 1]


def _ask(connection: Connection, columns: int, values: Numbered, query: str, scope: Scope) -> npt.NDArray[np.int64]:
    """The rows of integers that `query` finds over `values` in the temporary table `wanted`."""
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
    return np.array(found, dtype=np.int64).reshape(len(found), -1 if found else 2)
