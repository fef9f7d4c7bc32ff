"""Where rows wait in the database for set-based statements: temporary on SQLite, unlogged on PostgreSQL.

It lives and dies inside the import's transaction, and its rows are counted: an unlogged table that lost them would
otherwise pass for an empty file.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv
from sqlalchemy import BigInteger, Connection, text

from ingester.domain.errors import InvariantError
from ingester.store import entity_table
from ingester.store.database import driver, is_postgres, now
from ingester.store.statement import listed, quoted, sqlite_value, to_sqlite
from ingester.store.target import Target

#: Numbers of rows, and their columns by name.
Batches = Iterable[tuple[npt.NDArray[np.int64], pa.RecordBatch]]

#: The number of the row in its file.
ROW = "_row"
#: Rows that are Python objects at a time, on their way into SQLite.
ROWS_PER_INSERT = 10_000


class Staging:
    """The staged rows of one import; a context manager that drops the table."""

    def __init__(self, connection: Connection, target: Target, columns: tuple[str, ...] | None = None) -> None:
        self._connection = connection
        self._target = target
        self._columns = target.columns if columns is None else columns
        self._postgres = is_postgres(connection)
        self._schema = "" if self._postgres else "temp."
        self._table = quoted(f"staging_{uuid.uuid4().hex}")
        #: The table's name in statements.
        self.name = f"{self._schema}{self._table}"

    def __enter__(self) -> Self:
        kinds = {column.name: column.type for column in entity_table.table(self._target.entity).columns}
        columns = [
            f"{quoted(name)} {kinds.get(name, BigInteger()).compile(self._connection.dialect)}"
            for name in self._columns
        ]
        kind, row = ("UNLOGGED", "bigint") if self._postgres else ("TEMP", "INTEGER PRIMARY KEY")
        definition = ", ".join([f"{ROW} {row}", *columns])
        self._connection.exec_driver_sql(f"CREATE {kind} TABLE {self._table} ({definition})")
        return self

    def fill(self, batches: Batches) -> int:
        """Load rows, which have the staged columns by name, and count them."""
        sent = self._copy(batches) if self._postgres else self._insert(batches)
        (held,) = self._connection.exec_driver_sql(f"SELECT count(*) FROM {self.name}").one()
        if held != sent:
            raise InvariantError("the staging table lost rows", sent=sent, held=held)
        return sent

    def index(self, columns: tuple[str, ...]) -> None:
        """Let the rows be found by some of their columns."""
        name = f"{self._schema}{quoted(f'index_{uuid.uuid4().hex}')}"
        self._connection.exec_driver_sql(f"CREATE INDEX {name} ON {self._table} ({listed(columns)})")

    def _insert(self, batches: Batches) -> int:
        places = ", ".join("?" * (len(self._columns) + 1))
        statement, sent = f"INSERT INTO {self.name} VALUES ({places})", 0
        for rows in numbered_rows(batches, self._columns):
            sent += driver(self._connection).executemany(statement, rows).rowcount
        return sent

    def _copy(self, batches: Batches) -> int:
        names = [ROW, *self._columns]
        sent = copy_rows(
            self._connection,
            self.name,
            (
                pa.RecordBatch.from_arrays([pa.array(numbers), *map(batch.column, self._columns)], names=names)
                for numbers, batch in batches
            ),
        )
        # Without statistics the planner takes the table for a small one; only its keys are ever joined.
        keys = [name for name in self._columns if name in (*entity_table.key_columns(self._target.entity), "id")]
        self._connection.exec_driver_sql(f"ANALYZE {self.name} ({listed([ROW, *keys])})")
        return sent

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error PostgreSQL takes no more statements, and the rollback removes the table.
        if error is None or not self._postgres:
            self._connection.exec_driver_sql(f"DROP TABLE {self.name}")


def numbered_rows(batches: Batches, columns: Iterable[str]) -> Iterator[Iterable[tuple[Any, ...]]]:
    """Batches as parameters for `executemany`: a number, then the row's values as SQLite keeps them."""
    for numbers, batch in batches:
        for start in range(0, batch.num_rows, ROWS_PER_INSERT):
            part = batch.slice(start, ROWS_PER_INSERT)
            values = [to_sqlite(part.column(name)).to_pylist() for name in columns]
            yield zip(numbers[start : start + ROWS_PER_INSERT].tolist(), *values, strict=True)


def copy_rows(connection: Connection, table: str, batches: Iterable[pa.RecordBatch]) -> int:
    """Send batches, all of one schema named as the columns of a PostgreSQL table, by COPY; how many rows they had.

    The writer puts quotes around an empty text but not around a null, which is what COPY's CSV tells them apart by.
    """
    remaining = iter(batches)
    first = next(remaining, None)
    if first is None:
        return 0
    sent = 0
    options = csv.WriteOptions(include_header=False, quoting_style="needed", batch_size=1 << 16)
    statement = f"COPY {table} ({listed(first.schema.names)}) FROM STDIN (FORMAT csv)"
    with driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for batch in itertools.chain([first], remaining):
            if batch.num_rows:
                sink = pa.BufferOutputStream()
                csv.write_csv(batch, sink, options)
                copy.write(sink.getvalue())
                sent += batch.num_rows
    return sent


def run(connection: Connection, target: Target, statement: str) -> int:
    """Execute one statement over the import's scope; the rows it wrote, or the one number that it selected."""
    result = connection.execute(text(statement), _parameters(connection, target, statement))
    return int(result.scalar_one()) if result.returns_rows else int(result.rowcount)


def _parameters(connection: Connection, target: Target, statement: str) -> dict[str, Any]:
    scope, at = target.scope, now()
    values: dict[str, Any] = {**scope.parameters, "import_id": scope.import_id}
    if is_postgres(connection):
        values |= {"now": at} | {default_name(i): value for i, value in enumerate(target.defaults.values())}
    else:
        values["now"] = sqlite_moment(at)
        values |= {default_name(i): sqlite_value(value) for i, value in enumerate(target.defaults.values())}
    return {name: value for name, value in values.items() if f":{name}" in statement}


def default_name(position: int) -> str:
    """The parameter that holds a default of `Target.defaults`."""
    return f"default_{position}_"


def sqlite_moment(at: Any) -> str:
    """A moment as SQLite keeps it."""
    return str(at.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds"))
