"""Set-based questions about stored records: which records keys name, what they hold, and who has a unique value.

Values come as one batch, which the caller bounds, and go to the database in a single statement: as a JSON array on
SQLite, as arrays on PostgreSQL. Nothing is written, not even a temporary table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import JSON, Connection, text

from ingester.checks.cast import cast_type
from ingester.ruleset.model import Entity, Field, FieldType
from ingester.store.database import is_postgres
from ingester.store.entity_table import column_type
from ingester.store.scope import IN_SCOPE, Scope
from ingester.store.statement import quoted, to_sqlite, to_text

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def record_ids(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    fields: Sequence[Field],
    keys: pa.RecordBatch,
    scope: Scope,
) -> Ids:
    """The id of the record that each row of `keys` names by `columns` of `table`, 0 where there is none.

    `keys` has no nulls and one column for each of `fields`, which say how the values are typed.
    """
    same = " AND ".join(f"t.{quoted(name)} = w.c{i}" for i, name in enumerate(columns))
    given, parameters = _wanted(connection, fields, keys)
    query = f"SELECT w.position, t.id FROM {given} AS w CROSS JOIN {quoted(table)} AS t WHERE {IN_SCOPE} AND {same}"
    ids = np.zeros(keys.num_rows, np.int64)
    found = connection.execute(text(query), {**scope.parameters, **parameters}).fetchall()
    if found:
        positions, records = np.array(found, np.int64).T
        ids[positions] = records
    return ids


def holders(
    connection: Connection, entity: Entity, field: Field, values: pa.RecordBatch, scope: Scope
) -> tuple[Ids, pa.RecordBatch]:
    """Which rows of `values` want a unique value that a stored record of another key has; that record's id and key.

    The columns of `values` are the field's value and the row's own key, without nulls; the keys come in the same form.
    """
    keys = [entity.field(name) for name in entity.primary_key]
    given, parameters = _wanted(connection, [field, *keys], values)
    own = " AND ".join(f"t.{quoted(key.column)} = w.c{i + 1}" for i, key in enumerate(keys)) or "1 = 0"
    stored = "".join(f", t.{quoted(key.column)}" for key in keys)
    query = (
        f"SELECT w.position, t.id{stored} FROM {given} AS w CROSS JOIN {quoted(entity.table)} AS t "
        f"WHERE {IN_SCOPE} AND t.{quoted(field.column)} = w.c0 AND NOT ({own}) ORDER BY w.position"
    )
    found = connection.execute(text(query), {**scope.parameters, **parameters}).fetchall()
    positions = np.array([row[0] for row in found], np.int64)
    columns = [pa.array([row[1] for row in found], pa.int64())]
    columns += [_typed([row[i + 1] for row in found], values.column(i).type) for i in range(1, len(keys) + 1)]
    return positions, pa.RecordBatch.from_arrays(columns, names=["id", *(key.column for key in keys)])


def stored_values(
    connection: Connection, entity: Entity, fields: Sequence[Field], keys: pa.RecordBatch, scope: Scope
) -> tuple[Mask, list[pa.Array]]:
    """Which rows of `keys` name a stored record; what it has in each of `fields`, typed as a cell, null without one.

    `keys` has no nulls, and the columns of the entity's key.
    """
    own = [entity.field(name) for name in entity.primary_key]
    same = " AND ".join(f"t.{quoted(field.column)} = w.c{i}" for i, field in enumerate(own))
    postgres = is_postgres(connection)
    given, parameters = _wanted(connection, own, keys)
    said = "".join(f", {_as_cell(field, i, postgres=postgres)}" for i, field in enumerate(fields))
    members = {f"member{i}": _member(field.name, postgres=postgres) for i, field in enumerate(fields) if field.is_extra}
    query = (
        f"SELECT w.position{said} FROM {given} AS w CROSS JOIN {quoted(entity.table)} AS t WHERE {IN_SCOPE} AND {same}"
    )
    found = connection.execute(text(query), {**scope.parameters, **parameters, **members}).fetchall()
    at = np.full(keys.num_rows, -1, np.int64)
    at[[row[0] for row in found]] = np.arange(len(found))
    places = pa.array(at, mask=at < 0)
    columns = []
    for i, field in enumerate(fields, start=1):
        values = [row[i] for row in found]
        if field.is_extra:
            values = [_unquoted(each, field.type) for each in values]
        columns.append(_typed(values, cast_type(field)))
    return at >= 0, [column.take(places) for column in columns]


def _as_cell(field: Field, number: int, *, postgres: bool) -> str:
    """What a record has in a field; of JSON its text."""
    if field.is_extra:
        member = f"t.extra -> {f'CAST(:member{number} AS text)' if postgres else f':member{number}'}"
        return f"CAST({member} AS text)" if postgres else member
    column = f"t.{quoted(field.column)}"
    return f"CAST({column} AS text)" if postgres and isinstance(column_type(field), JSON) else column


def _member(name: str, *, postgres: bool) -> str:
    return name if postgres else f'$."{name}"'


def _unquoted(value: str | None, kind: FieldType) -> str | None:
    """A member of a JSON object as text; of a moment as SQLite has it, without its Z."""
    if value is None or value == "null":
        return None
    text = str(json.loads(value)) if value.startswith('"') else value
    return text.removesuffix("Z") if kind is FieldType.DATETIME else text


def _typed(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values of the database as the typed column that they were stored from."""
    first = next((value for value in values if value is not None), None)
    if first is None:
        return pa.nulls(len(values), kind)
    if pa.types.is_string(kind):
        return pa.array([value if isinstance(value, str | None) else f"{value:f}" for value in values], kind)
    if isinstance(first, str) and pa.types.is_time(kind):  # Arrow reads none
        return pa.array([None if value is None else time.fromisoformat(value) for value in values], kind)
    if isinstance(first, str):  # a moment or a date on SQLite, or a member of a JSON object
        naive = pa.timestamp("us") if pa.types.is_timestamp(kind) else kind
        return pc.cast(pc.cast(pa.array(values), naive), kind)
    return pc.cast(pa.array(values), kind)


def _wanted(connection: Connection, fields: Sequence[Field], values: pa.RecordBatch) -> tuple[str, dict[str, Any]]:
    """A table expression with the columns `position` (from 0), `c0`, `c1`, …, and the parameters it binds."""
    names = [f"c{i}" for i in range(len(fields))]
    if is_postgres(connection):
        kinds = [column_type(field).compile(connection.dialect) for field in fields]
        arrays = ", ".join(
            f"CAST(CAST(:{name} AS text[]) AS {kind}[])" for name, kind in zip(names, kinds, strict=True)
        )
        rows = f"unnest({arrays}) WITH ORDINALITY AS u({', '.join(names)}, place)"
        bound = {name: to_text(column) for name, column in zip(names, values.columns, strict=True)}
        return f"(SELECT place - 1 AS position, {', '.join(names)} FROM {rows})", bound
    columns = [to_sqlite(column).to_pylist() for column in values.columns]
    if len(columns) == 1:
        return "(SELECT key AS position, value AS c0 FROM json_each(:wanted))", {
            "wanted": json.dumps(columns[0], ensure_ascii=False)
        }
    cells = ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(names))
    return (
        f"(SELECT key AS position, {cells} FROM json_each(:wanted))",
        {"wanted": json.dumps(list(zip(*columns, strict=True)), ensure_ascii=False)},
    )
