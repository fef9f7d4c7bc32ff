"""Set-based merge of staged rows into an entity table, on SQLite.

Rows are staged in a temporary table. A join with the stored records finds those whose provided values differ; they
are updated by id, then the records that are new are inserted by anti-join. What is equal is not touched. A predicted
merge takes its counts from the same joins and writes nothing.

SQLite knows no statistics of a table it has just seen, and would gladly read the whole entity table for each staged
row: CROSS JOIN, which it never reorders, makes it look every staged row up by the record's unique key instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.checks.compile import default_value
from ingester.domain.errors import InvariantError
from ingester.ruleset.model import Entity, ForeignKey
from ingester.store.database import driver, now
from ingester.store.entity_table import key_columns

_ROWS_PER_INSERT = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Whose records an import may touch. Every statement below carries tenant and source."""

    tenant: str
    source: str
    import_id: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Merged:
    """How many records a merge made, changed and found equal already."""

    created: int
    updated: int
    skipped: int


class Merge:
    """One import's staging table and the statements over it, inside the caller's transaction."""

    def __init__(self, connection: Connection, entity: Entity, fields: tuple[str, ...], scope: Scope) -> None:
        self._database = driver(connection)
        self._entity = entity
        #: Only fields that the file provides are compared, changed or inserted other than by default.
        self._fields = fields
        self._scope = scope
        self._staged = 0
        columns = ", ".join(quoted(name) for name in fields)
        self.drop()
        self._database.execute(f"CREATE TEMP TABLE staging (_row INTEGER PRIMARY KEY, {columns})")

    def stage(self, batches: Iterable[tuple[npt.NDArray[np.int64], pa.RecordBatch]]) -> None:
        """Load the rows to be merged: their numbers and the typed columns of the provided fields."""
        places = ", ".join("?" * (len(self._fields) + 1))
        statement = f"INSERT INTO temp.staging VALUES ({places})"
        for rows in numbered_rows(batches):
            self._staged += self._database.executemany(statement, rows).rowcount
        (count,) = self._database.execute("SELECT count(*) FROM temp.staging").fetchone()
        if count != self._staged:
            raise InvariantError("the staging table lost rows", sent=self._staged, held=count)

    @property
    def staged(self) -> int:
        """How many rows are staged."""
        return self._staged

    def apply(self) -> Merged:
        """Write the staged rows."""
        updated = self._find_changes() if self._keyed else 0
        if updated:
            self._run(self._update())
        created = self._run(self._insert())
        for foreign_key in self._provided_references():
            if foreign_key.entity == self._entity.name:
                # A record of this very file may be the parent: only now does it have an id.
                self._run(self._resolve_own(foreign_key))
        return self._merged(created, updated)

    def predict(self) -> Merged:
        """Count what `apply` would do."""
        if not self._keyed:
            return Merged(self._staged, 0, 0)
        new = f"SELECT count(*) FROM temp.staging AS s {self._stored('LEFT')} WHERE t.id IS NULL"
        (created,) = self._database.execute(new, self._parameters()).fetchone()
        return self._merged(created, self._find_changes())

    def drop(self) -> None:
        """Remove the temporary tables."""
        for name in ("staging", "changes"):
            self._database.execute(f"DROP TABLE IF EXISTS temp.{name}")

    # --- statements ----------------------------------------------------------------------------------------------

    def _insert(self) -> str:
        entity = self._entity
        values = {"tenant_id": ":tenant", "source": ":source"}
        for field in entity.fields:
            if field.name in self._fields:
                values[field.name] = f"s.{quoted(field.name)}"
            if default_value(field, self._scope.timezone) is not None:
                staged = values.get(field.name, "NULL")
                values[field.name] = f"coalesce({staged}, :{_default(field.name)})"
        for foreign_key in self._provided_references():
            values[foreign_key.id_column] = f"{_alias(foreign_key)}.id"
        if not self._keyed:
            values["import_row"] = "s._row"
        values |= {"import_id": ":import_id", "created_at": ":now", "updated_at": ":now"}
        into = ", ".join(quoted(name) for name in values)
        new = f"{self._stored('LEFT')} WHERE t.id IS NULL" if self._keyed else ""
        return (
            f"INSERT INTO {quoted(entity.table)} ({into}) SELECT {', '.join(values.values())} "
            f"FROM temp.staging AS s {self._reference_joins()} {new} ORDER BY s._row"
        )

    def _find_changes(self) -> int:
        """Put what stored records are to become into a temporary table, by record id; returns how many."""
        values = self._changes()
        columns = ", ".join(["_target INTEGER PRIMARY KEY", *values])
        self._database.execute(f"CREATE TEMP TABLE changes ({columns})")
        selected = ", ".join(["t.id", *values.values()])
        return self._run(
            f"INSERT INTO temp.changes SELECT {selected} FROM temp.staging AS s {self._stored('CROSS')} "
            f"{self._reference_joins()} WHERE {self._differs()}"
        )

    def _changes(self) -> dict[str, str]:
        """Column to new value, over `s` (staged), `t` (stored) and the references: an empty cell changes nothing."""
        changes = {
            quoted(name): f"coalesce(s.{quoted(name)}, t.{quoted(name)})"
            for name in self._fields
            if name not in self._entity.primary_key
        }
        for foreign_key in self._provided_references():
            column = quoted(foreign_key.id_column)
            changes[column] = f"CASE WHEN {_given(foreign_key)} THEN {_alias(foreign_key)}.id ELSE t.{column} END"
        return changes

    def _update(self) -> str:
        columns = ", ".join(self._changes())
        return (
            f"UPDATE {quoted(self._entity.table)} AS t SET ({columns}, import_id, updated_at) = "
            f"(SELECT {columns}, :import_id, :now FROM temp.changes AS c WHERE c._target = t.id) "
            f"WHERE t.id IN (SELECT _target FROM temp.changes)"
        )

    def _resolve_own(self, foreign_key: ForeignKey) -> str:
        table, column = quoted(self._entity.table), quoted(foreign_key.id_column)
        parent = " AND ".join(
            f"p.{quoted(theirs)} = t.{quoted(ours)}"
            for ours, theirs in zip(foreign_key.fields, foreign_key.reference_fields, strict=True)
        )
        return (
            f"UPDATE {table} AS t SET {column} = (SELECT p.id FROM {table} AS p "
            f"WHERE p.tenant_id = :tenant AND p.source = :source AND {parent}) "
            f"WHERE t.import_id = :import_id AND t.{column} IS NULL"
        )

    def _reference_joins(self) -> str:
        return " ".join(self._reference_join(key) for key in self._provided_references())

    def _reference_join(self, foreign_key: ForeignKey) -> str:
        alias = _alias(foreign_key)
        target = quoted(f"{self._entity.catalogue}__{foreign_key.entity}")
        same = " AND ".join(
            f"{alias}.{quoted(theirs)} = s.{quoted(ours)}"
            for ours, theirs in zip(foreign_key.fields, foreign_key.reference_fields, strict=True)
        )
        return f"LEFT JOIN {target} AS {alias} ON {alias}.tenant_id = :tenant AND {alias}.source = :source AND {same}"

    def _stored(self, kind: str) -> str:
        return f"{kind} JOIN {quoted(self._entity.table)} AS t ON {self._same_record()}"

    def _same_record(self) -> str:
        key = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in key_columns(self._entity))
        return f"t.tenant_id = :tenant AND t.source = :source AND {key}"

    def _differs(self) -> str:
        """An empty cell says nothing; any other says what the record must be."""
        differences = [
            f"(s.{quoted(name)} IS NOT NULL AND s.{quoted(name)} IS NOT t.{quoted(name)})"
            for name in self._fields
            if name not in self._entity.primary_key
        ]
        differences += [
            f"({_given(key)} AND {_alias(key)}.id IS NOT t.{quoted(key.id_column)})"
            for key in self._provided_references()
        ]
        return " OR ".join(differences) or "0"

    def _provided_references(self) -> list[ForeignKey]:
        return [key for key in self._entity.foreign_keys if set(key.fields) <= set(self._fields)]

    @property
    def _keyed(self) -> bool:
        return bool(self._entity.primary_key)

    def _merged(self, created: int, updated: int) -> Merged:
        return Merged(created, updated, self._staged - created - updated)

    def _run(self, statement: str) -> int:
        return int(self._database.execute(statement, self._parameters()).rowcount)

    def _parameters(self) -> dict[str, Any]:
        defaults = {
            _default(field.name): literal
            for field in self._entity.fields
            if (literal := default_value(field, self._scope.timezone)) is not None
        }
        moment = now().replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        scope = {"tenant": self._scope.tenant, "source": self._scope.source, "import_id": self._scope.import_id}
        return {**scope, "now": moment, **{name: _literal(value) for name, value in defaults.items()}}


def numbered_rows(
    batches: Iterable[tuple[npt.NDArray[np.int64], pa.RecordBatch]],
) -> Iterator[Iterable[tuple[Any, ...]]]:
    """Batches as parameters for `executemany`: a number, then the row's values as SQLite keeps them."""
    for numbers, batch in batches:
        for start in range(0, batch.num_rows, _ROWS_PER_INSERT):
            part = batch.slice(start, _ROWS_PER_INSERT)
            columns = [to_sqlite(column).to_pylist() for column in part.columns]
            yield zip(numbers[start : start + _ROWS_PER_INSERT].tolist(), *columns, strict=True)


def to_sqlite(column: pa.Array) -> pa.Array:
    """A typed column as SQLite keeps it: moments and dates as ISO text in UTC, booleans as 0 and 1."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.cast(pc.cast(column, pa.timestamp("us")), pa.string())
    if pa.types.is_date(kind) or pa.types.is_time(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_boolean(kind):
        return pc.cast(column, pa.int8())
    return column


def _literal(value: object) -> object:
    """A default in the form of `to_sqlite`."""
    return to_sqlite(pa.array([value])).to_pylist()[0]


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _alias(foreign_key: ForeignKey) -> str:
    return quoted(f"r_{foreign_key.id_column}")


def _default(name: str) -> str:
    return f"default_{name}"


def _given(foreign_key: ForeignKey) -> str:
    return " AND ".join(f"s.{quoted(name)} IS NOT NULL" for name in foreign_key.fields)
