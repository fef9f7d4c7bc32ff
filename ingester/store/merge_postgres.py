"""The merge on PostgreSQL: COPY into an unlogged staging table, one join that finds what differs, then the writing.

Where nothing of the source is stored yet, COPY goes straight into the table.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, text

from ingester.store.entity_table import key_columns
from ingester.store.scope import is_empty
from ingester.store.staging import ROW, Batches, Staging, copy_rows, default_name, run
from ingester.store.statement import listed, quoted
from ingester.store.target import Target

#: For the one big join; the default of most servers would send it through the disk.
_JOIN_MEMORY = "64MB"


def apply(connection: Connection, target: Target, batches: Batches) -> tuple[int, int, int]:
    """Write the rows; how many there were, how many became new records, and how many changed one."""
    scope = target.scope
    # Objects with members to be erased are for the database to take apart.
    plain = not (target.erases and target.shared)
    if plain and (not target.keyed or is_empty(connection, target.entity.table, scope)):
        for name, value in scope.said.items():
            said = {"name": f"ingester.{name}", "value": value}
            connection.execute(text("SELECT set_config(:name, :value, true)"), said)
        rows = copy_rows(connection, target.table, _records(target, batches))
        return rows, rows, 0
    with Staging(connection, target) as staging:
        rows = staging.fill(batches)
        _know(connection, target, rows)
        with _changes(connection, target, staging) as changes:
            updated = run(connection, target, _update(target, staging, changes)) if target.keyed else 0
            created = run(connection, target, _insert(target, staging, changes))
        return rows, created, updated


def _know(connection: Connection, target: Target, rows: int) -> None:
    """Tell the planner of a table that grew much since the server last looked at it and would pass for a small one."""
    query = "SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)"
    known = connection.execute(text(query), {"name": target.table}).scalar_one()
    if known * 10 < rows:
        keys = listed(["tenant_id", "source", *key_columns(target.entity)])
        connection.exec_driver_sql(f"ANALYZE {target.table} ({keys})")


@contextmanager
def _changes(connection: Connection, target: Target, staging: Staging) -> Iterator[str]:
    """A table of the staged rows that change something: `_row`, and the `id` of the stored record or null.

    Made by CREATE TABLE AS, which unlike INSERT may use several processes.
    """
    name = quoted(f"changes_{uuid.uuid4().hex}")
    given = _given(target)
    same = target.same_record(given) if target.keyed else "false"
    # Compiling the comparison of many columns takes longer than making it.
    for setting in (f"work_mem = '{_JOIN_MEMORY}'", "jit = off"):
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    run(
        connection,
        target,
        f"CREATE UNLOGGED TABLE {name} AS SELECT s.{ROW}, t.id FROM {staging.name} AS s "
        f"LEFT JOIN {target.table} AS t ON {same} WHERE t.id IS NULL OR {target.changed(given, postgres=True)}",
    )
    connection.exec_driver_sql(f"ANALYZE {name}")
    yield name
    connection.exec_driver_sql(f"DROP TABLE {name}")


def _records(target: Target, batches: Batches) -> Iterator[pa.RecordBatch]:
    """The rows with defaults for what they lack; what the import says of all of them is a setting, not a column."""
    for numbers, batch in batches:
        columns = {name: batch.column(name) for name in target.columns}
        for name, default in target.defaults.items():
            if name in columns:
                columns[name] = pc.fill_null(columns[name], pa.scalar(default, columns[name].type))
            else:
                columns[name] = pa.repeat(pa.scalar(default), batch.num_rows)
        if not target.keyed:
            columns["import_row"] = pa.array(numbers)
        yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _given(target: Target) -> dict[str, str]:
    return {name: f"s.{quoted(name)}" for name in target.columns}


def _update(target: Target, staging: Staging, changes: str) -> str:
    given = _given(target)
    values = {name: target.new_value(name, given[name], postgres=True) for name in target.changing}
    values |= {"import_id": ":import_id", "updated_at": ":now"}
    said = ", ".join(f"{quoted(name)} = {value}" for name, value in values.items())
    return (
        f"UPDATE {target.table} AS t SET {said} FROM {changes} AS c JOIN {staging.name} AS s USING ({ROW}) "
        f"WHERE t.id = c.id"
    )


def _insert(target: Target, staging: Staging, changes: str) -> str:
    given = _given(target)
    values = {"tenant_id": ":tenant", "source": ":source"} | given
    for name in target.shared & set(given):
        values[name] = target.patched(name, given[name], postgres=True, stored="'{}'")
    for position, name in enumerate(target.defaults):
        default = f":{default_name(position)}"
        values[name] = f"coalesce({given[name]}, {default})" if name in given else default
    if not target.keyed:
        values["import_row"] = f"s.{ROW}"
    values |= {"import_id": ":import_id", "created_at": ":now", "updated_at": ":now"}
    return (
        f"INSERT INTO {target.table} ({listed(list(values))}) SELECT {', '.join(values.values())} "
        f"FROM {staging.name} AS s JOIN {changes} AS c USING ({ROW}) WHERE c.id IS NULL ORDER BY s.{ROW}"
    )
