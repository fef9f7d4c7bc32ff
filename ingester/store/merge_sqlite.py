"""The merge on SQLite: a prepared upsert, or a plain insert where nothing is stored yet, some rows at a time.

Staging the same rows and joining them costs more there. A statement takes several rows, since entering SQLite and
leaving it again costs as much as writing a row; its parameters come column by column, which is how the rows come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, text

from ingester.store.database import driver, now
from ingester.store.entity_table import key_columns
from ingester.store.scope import is_empty
from ingester.store.staging import ROWS_PER_INSERT, Batches, default_name, run, sqlite_moment
from ingester.store.statement import listed, quoted, sqlite_value, to_sqlite
from ingester.store.target import Target

_ROWS = 50
#: SQLite takes 32,766 parameters.
_PARAMETERS = 30_000


def apply(connection: Connection, target: Target, batches: Batches) -> tuple[int, int, int]:
    """Write the rows; how many there were, how many became new records, and how many changed one."""
    before = connection.execute(text(f"SELECT coalesce(max(id), 0) FROM {target.table}")).scalar_one()
    update = target.keyed and not is_empty(connection, target.entity.table, target.scope)
    many = _rows_per_statement(target)
    statement = cache(partial(_statement, target, update=update))
    database, rows, written = driver(connection), 0, 0
    for numbers, batch in batches:
        rows += batch.num_rows
        for start in range(0, batch.num_rows, ROWS_PER_INSERT):
            part = batch.slice(start, ROWS_PER_INSERT)
            columns = [to_sqlite(part.column(name)).to_pylist() for name in target.columns]
            if not target.keyed:
                columns.append(numbers[start : start + ROWS_PER_INSERT].tolist())
            whole = part.num_rows - part.num_rows % many
            if whole:
                written += database.executemany(statement(many), _parameters(columns, whole, many)).rowcount
            if whole < part.num_rows:
                rest = zip(*(column[whole:] for column in columns), strict=True)
                written += database.executemany(statement(1), rest).rowcount
    # New records have the highest ids: nothing is deleted before the merge.
    query = f"SELECT count(*) FROM {target.table} WHERE id > :before"
    created = connection.execute(text(query), {"before": before}).scalar_one()
    if update and created:
        _fill_in(connection, target, before)
    return rows, created, written - created


def _rows_per_statement(target: Target) -> int:
    if target.erases and target.shared:
        return 1  # what is erased is told by the parameter only, and one of several rows cannot name its own
    return max(1, min(_ROWS, _PARAMETERS // (len(target.columns) + 1)))


def _parameters(columns: Sequence[list[Any]], rows: int, many: int) -> Iterator[list[Any]]:
    """For each statement the cells of its rows, column by column."""
    for start in range(0, rows, many):
        cells: list[Any] = []
        for column in columns:
            cells += column[start : start + many]
        yield cells


def _statement(target: Target, many: int, *, update: bool) -> str:
    defaults = {name: _literal(sqlite_value(value)) for name, value in target.defaults.items()}
    inline = {} if update else defaults
    values = [{**defaults, **_values(target, row, many, inline)} for row in range(many)]
    rows = ", ".join(f"({', '.join(row.values())})" for row in values)
    insert = f"INSERT INTO {target.table} AS t ({listed(list(values[0]))}) VALUES {rows}"
    if not update:
        return insert
    conflict = f"ON CONFLICT ({listed(['tenant_id', 'source', *key_columns(target.entity)])})"
    if not target.changing:
        return f"{insert} {conflict} DO NOTHING"
    given = {name: f"excluded.{quoted(name)}" for name in target.columns}
    if _rows_per_statement(target) == 1:
        given = {name: f"?{position}" for position, name in enumerate(target.columns, start=1)}
    changes = [f"{quoted(name)} = {target.new_value(name, given[name], postgres=False)}" for name in target.changing]
    changes += ["import_id = excluded.import_id", "updated_at = excluded.updated_at"]
    changed = target.changed(given, postgres=False)
    return f"{insert} {conflict} DO UPDATE SET {', '.join(changes)} WHERE {changed}"


def _values(target: Target, row: int, many: int, defaults: Mapping[str, str]) -> dict[str, str]:
    """Column to expression of one of the rows that a statement inserts; `defaults` of cells that are empty."""
    given = {name: f"?{position * many + row + 1}" for position, name in enumerate(target.columns)}
    scope, moment = target.scope, _literal(sqlite_moment(now()))
    values = {"tenant_id": _literal(scope.tenant), "source": _literal(scope.source), **given}
    for name in target.shared & set(given):
        values[name] = target.patched(name, given[name], postgres=False, stored="'{}'")
    for name in defaults.keys() & given.keys():
        values[name] = f"coalesce({given[name]}, {defaults[name]})"
    if not target.keyed:
        values["import_row"] = f"?{len(target.columns) * many + row + 1}"
    return values | {"import_id": _literal(scope.import_id), "created_at": moment, "updated_at": moment}


def _fill_in(connection: Connection, target: Target, before: int) -> None:
    """Give new records the defaults of their empty cells, which would have passed for what the file says."""
    for position, name in enumerate(target.defaults):
        if name in target.columns:
            changed = f"SET {quoted(name)} = :{default_name(position)} WHERE id > {before} AND {quoted(name)} IS NULL"
            run(connection, target, f"UPDATE {target.table} {changed}")


def _literal(value: object) -> str:
    """A constant of the statement: binding it again for every row would cost a fifth of the time."""
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, str)
    if "\0" in value:
        raise ValueError("a NUL character in a constant")
    return "'" + value.replace("'", "''") + "'"
