"""The merge on SQLite: one prepared upsert, or a plain insert where nothing is stored yet, row after row.

A statement per row sounds slow and is not: on SQLite it beats staging the same rows and joining them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection, text

from ingester.store.database import driver, now
from ingester.store.entity_table import key_columns
from ingester.store.scope import is_empty
from ingester.store.staging import numbered_rows, sqlite_moment
from ingester.store.statement import listed, sqlite_value
from ingester.store.target import Target


def apply(
    connection: Connection, target: Target, batches: Iterable[tuple[npt.NDArray[np.int64], pa.RecordBatch]]
) -> tuple[int, int, int]:
    """Write the rows; how many there were, how many became new records, and how many changed one."""
    query = f"SELECT coalesce(max(id), 0) FROM {target.table}"
    before = connection.execute(text(query)).scalar_one()
    update = target.keyed and not is_empty(connection, target.entity.table, target.scope)
    statement = _statement(target, update=update)
    database, rows, written = driver(connection), 0, 0
    for numbers, batch in batches:
        rows += batch.num_rows
        for values in numbered_rows([(numbers, batch)], target.columns):
            written += database.executemany(statement, values).rowcount
    # New records have the highest ids: nothing is deleted before the merge.
    query = f"SELECT count(*) FROM {target.table} WHERE id > :before"
    created = connection.execute(text(query), {"before": before}).scalar_one()
    return rows, created, written - created


def _statement(target: Target, *, update: bool) -> str:
    given = {name: f"?{position}" for position, name in enumerate(target.columns, start=2)}
    scope = target.scope
    fixed = {"tenant_id": scope.tenant, "source": scope.source, "import_id": scope.import_id}
    moment = sqlite_moment(now())
    values = {name: _literal(value) for name, value in fixed.items()} | given
    for name in target.shared & set(given):
        values[name] = target.patched(name, given[name], postgres=False, stored="'{}'")
    for name, default in target.defaults.items():
        constant = _literal(sqlite_value(default))
        values[name] = f"coalesce({given[name]}, {constant})" if name in given else constant
    if not target.keyed:
        values["import_row"] = "?1"
    values |= {"created_at": _literal(moment), "updated_at": _literal(moment)}
    insert = f"INSERT INTO {target.table} AS t ({listed(list(values))}) VALUES ({', '.join(values.values())})"
    if not update:
        return insert
    conflict = f"ON CONFLICT ({listed(['tenant_id', 'source', *key_columns(target.entity)])})"
    if not target.changing:
        return f"{insert} {conflict} DO NOTHING"
    changes = [f"{listed([name])} = {target.new_value(name, given[name], postgres=False)}" for name in target.changing]
    changes += [f"import_id = {values['import_id']}", f"updated_at = {values['updated_at']}"]
    differs = " OR ".join(target.differs(name, given[name], postgres=False) for name in target.changing)
    return f"{insert} {conflict} DO UPDATE SET {', '.join(changes)} WHERE {differs}"


def _literal(value: object) -> str:
    """A constant of the statement: binding it again for every row would cost a fifth of the time."""
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, str)
    if "\0" in value:
        raise ValueError("a NUL character in a constant")
    return "'" + value.replace("'", "''") + "'"
