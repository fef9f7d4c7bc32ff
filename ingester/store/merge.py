"""The set-based merge of an import's good rows into its table: inserts what is new, updates what differs.

What is equal is not touched. A dry run takes its counts from joins with the same conditions and writes nothing but a
staging table. SQLite merges row by row in one prepared statement, which costs less there than staging; PostgreSQL takes
the rows by COPY into an unlogged table and merges them as a set.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from ingester.domain.errors import InvariantError
from ingester.ruleset.model import ForeignKey
from ingester.store import merge_postgres, merge_sqlite
from ingester.store.database import is_postgres
from ingester.store.staging import Batches, Staging, run
from ingester.store.statement import quoted
from ingester.store.target import Target


@dataclass(frozen=True, slots=True)
class Merged:
    """How many records an import made, changed, found equal already, and deleted."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    deleted: int = 0


def apply(connection: Connection, target: Target, batches: Batches) -> Merged:
    """Write the rows."""
    merge = merge_postgres.apply if is_postgres(connection) else merge_sqlite.apply
    rows, created, updated = merge(connection, target, batches)
    return _merged(rows, created, updated)


def predict(connection: Connection, target: Target, batches: Batches) -> Merged:
    """Count what `apply` would do."""
    with Staging(connection, target) as staging:
        rows = staging.fill(batches)
        if not target.keyed:
            return _merged(rows, rows, 0)
        given = {name: f"s.{quoted(name)}" for name in target.columns}
        source = f"{staging.name} AS s"
        same = target.same_record(given)
        stored = f"EXISTS (SELECT 1 FROM {target.table} AS t WHERE {same})"
        created = run(connection, target, f"SELECT count(*) FROM {source} WHERE NOT {stored}")
        changed = target.changed(given, postgres=is_postgres(connection))
        updated = run(
            connection,
            target,
            # SQLite never reorders a CROSS JOIN: each staged row is looked up by the record's key.
            f"SELECT count(*) FROM {source} CROSS JOIN {target.table} AS t WHERE {same} AND ({changed})",
        )
        return _merged(rows, created, updated)


def adopt(connection: Connection, target: Target, foreign_key: ForeignKey) -> None:
    """Give the records of this import the ids of parents that came with them, and have ids only now.

    A parent that is not of this source was found before, and keeps its place.
    """
    column = quoted(foreign_key.id_column)
    own = [quoted(target.entity.field(name).column) for name in foreign_key.fields]
    theirs = [quoted(target.entity.field(name).column) for name in foreign_key.reference_fields]
    parent = " AND ".join(f"p.{one} = t.{other}" for one, other in zip(theirs, own, strict=True))
    found = f"(SELECT p.id FROM {target.table} AS p WHERE p.tenant_id = :tenant AND p.source = :source AND {parent})"
    run(
        connection,
        target,
        f"UPDATE {target.table} AS t SET {column} = coalesce({found}, t.{column}) "
        f"WHERE t.tenant_id = :tenant AND t.source = :source "
        f"AND t.import_id = :import_id AND {' AND '.join(f't.{name} IS NOT NULL' for name in own)}",
    )


def _merged(rows: int, created: int, updated: int) -> Merged:
    if created + updated > rows:
        raise InvariantError("more records were written than there were rows", rows=rows, wrote=created + updated)
    return Merged(created, updated, rows - created - updated)
