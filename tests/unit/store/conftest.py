"""A data store of one's own, in either database, and entities brought into it straight from Python values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ingester.checks.compile import column_type
from ingester.domain.status import Action
from ingester.phases import processing, transforming
from ingester.ruleset.model import Entity
from ingester.spill.references import RECORD
from ingester.spill.rows import Rows, RowWriter
from ingester.spill.verdict import Verdict
from ingester.store.database import sqlite_url
from ingester.store.datastore import DataStore
from ingester.store.merge import Merged
from ingester.store.scope import Scope
from ingester.store.target import Target
from tests.stored import Row, select

#: Merge rows, given as one dictionary each with the same keys: `merge(entity, rows)`.
MergeRows = Callable[..., Merged]


@dataclass(frozen=True)
class Store:
    """A data store with the shorthands of these tests."""

    data: DataStore
    folder: Path
    numbers: Iterator[int]

    def merge(
        self,
        entity: Entity,
        rows: Sequence[Row],
        *,
        fields: Sequence[str] | None = None,
        tenant: str = "acme",
        source: str = "default",
        import_id: str = "import-1",
        action: Action = Action.MERGE,
        dry_run: bool = False,
        erases: bool = False,
    ) -> Merged:
        """Bring in `rows`, whose keys are the provided fields, as one import."""
        given = set(rows[0]) if fields is None else set(fields)
        provided = tuple(field.name for field in entity.fields if field.name in given)
        assert given == set(provided)
        folder = self.folder / f"{next(self.numbers)}"
        folder.mkdir()
        spilled, verdict = self.spill(entity, provided, rows, folder), Verdict()
        verdict.extend(len(rows))
        scope = Scope(tenant=tenant, source=source, import_id=import_id)
        with self.data.writing() as connection:
            resolved, _ = transforming.run(connection, spilled, entity, verdict, folder, scope, action)
            columns = (*spilled.fields, *(name for name in resolved.columns if name != RECORD))
            target = Target(entity=entity, columns=columns, scope=scope, erases=erases)
            done, _ = processing.run(connection, target, resolved, verdict, action, dry_run=dry_run)
        return done

    def spill(self, entity: Entity, provided: Sequence[str], rows: Sequence[Row], folder: Path) -> Rows:
        """Rows as prevalidation leaves them, in batches of three."""
        columns = tuple(entity.field(name).column for name in provided)
        with RowWriter(folder / "rows.arrow") as writer:
            for start in range(0, len(rows), 3):
                numbers, batch = rows_batch(entity, provided, rows[start : start + 3])
                writer.write(pa.array(numbers + start), dict(zip(columns, batch.columns, strict=True)))
        return Rows(folder / "rows.arrow", columns)

    def rows(self, entity: Entity) -> list[Row]:
        """Every stored record, oldest first, in the forms of SQLite."""
        return select(self.data.engine, f'SELECT * FROM "{entity.table}" ORDER BY id')


def rows_batch(
    entity: Entity, fields: Sequence[str], rows: Sequence[Row]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], pa.RecordBatch]:
    """Rows as a phase spills them: numbers from 1 and typed columns."""
    columns = [pa.array([row.get(name) for row in rows], column_type(entity.field(name))) for name in fields]
    return np.arange(1, len(rows) + 1), pa.RecordBatch.from_arrays(columns, names=list(fields))


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else sqlite_url(tmp_path / "ingester.db")
    data = DataStore.open(url)
    yield Store(data, tmp_path, itertools.count())
    data.close()
