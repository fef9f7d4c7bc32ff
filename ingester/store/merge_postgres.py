"""The merge on PostgreSQL: COPY into an unlogged staging table, then set-based statements over it.

Where nothing of the source is stored yet, COPY goes straight into the table.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection, text

from ingester.store.scope import is_empty
from ingester.store.staging import ROW, Staging, default_name, run
from ingester.store.statement import listed, quoted
from ingester.store.target import Target

_Batches = Iterable[tuple[npt.NDArray[np.int64], pa.RecordBatch]]


def apply(connection: Connection, target: Target, batches: _Batches) -> tuple[int, int, int]:
    """Write the rows; how many there were, how many became new records, and how many changed one."""
    # Imports of one scope never meet, or they might deadlock: this one waits for the other's commit.
    scope = target.scope
    lock = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
    connection.execute(text(lock), {"name": f"{target.entity.table}/{scope.tenant}/{scope.source}"})
    with Staging(connection, target) as staging:
        rows = staging.fill(batches)
        empty = is_empty(connection, target.entity.table, scope)
        updated = (
            0 if empty or not target.keyed or not target.changing else run(connection, target, _update(target, staging))
        )
        created = run(connection, target, _insert(target, staging, all_new=empty or not target.keyed))
        return rows, created, updated


def _given(target: Target) -> dict[str, str]:
    return {name: f"s.{quoted(name)}" for name in target.columns}


def _update(target: Target, staging: Staging) -> str:
    given = _given(target)
    values = {name: target.new_value(name, given[name], postgres=True) for name in target.changing}
    values |= {"import_id": ":import_id", "updated_at": ":now"}
    differs = " OR ".join(target.differs(name, given[name], postgres=True) for name in target.changing)
    changes = ", ".join(f"{quoted(name)} = {value}" for name, value in values.items())
    return (
        f"UPDATE {target.table} AS t SET {changes} FROM {staging.name} AS s "
        f"WHERE {target.same_record(given)} AND ({differs})"
    )


def _insert(target: Target, staging: Staging, *, all_new: bool) -> str:
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
    new = "" if all_new else f"WHERE NOT EXISTS (SELECT 1 FROM {target.table} AS t WHERE {target.same_record(given)})"
    return (
        f"INSERT INTO {target.table} ({listed(list(values))}) SELECT {', '.join(values.values())} "
        f"FROM {staging.name} AS s {new} ORDER BY s.{ROW}"
    )
