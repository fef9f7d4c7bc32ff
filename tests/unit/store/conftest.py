"""A data store of one's own, and entities merged into it straight from Python values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ingester.checks.compile import column_type
from ingester.ruleset.model import Entity
from ingester.store.database import driver, sqlite_url
from ingester.store.datastore import DataStore
from ingester.store.merge import Merge, Merged, Scope

Row = dict[str, Any]
#: Merge rows, given as one dictionary each with the same keys: `merge(entity, rows)`.
MergeRows = Callable[..., Merged]


@dataclass(frozen=True)
class Store:
    """A data store with the shorthands of these tests."""

    data: DataStore

    def merge(
        self,
        entity: Entity,
        rows: Sequence[Row],
        *,
        fields: Sequence[str] | None = None,
        tenant: str = "acme",
        source: str = "default",
        import_id: str = "import-1",
        dry_run: bool = False,
    ) -> Merged:
        """Merge `rows`, whose keys are the provided fields, as one import."""
        given = set(rows[0]) if fields is None else set(fields)
        provided = tuple(field.name for field in entity.fields if field.name in given)
        assert given == set(provided)
        with self.data.writing() as connection:
            merge = Merge(connection, entity, provided, Scope(tenant=tenant, source=source, import_id=import_id))
            merge.stage([batch(entity, provided, rows)])
            assert merge.staged == len(rows)
            done = merge.predict() if dry_run else merge.apply()
            merge.drop()
        return done

    def rows(self, entity: Entity) -> list[Row]:
        """Every stored record, oldest first, as SQLite holds it."""
        with self.data.engine.connect() as connection:
            cursor = driver(connection).execute(f'SELECT * FROM "{entity.table}" ORDER BY id')
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]


def batch(
    entity: Entity, fields: Sequence[str], rows: Sequence[Row]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], pa.RecordBatch]:
    """Rows as a phase spills them: numbers from 1 and typed columns."""
    columns = [pa.array([row.get(name) for row in rows], column_type(entity.field(name))) for name in fields]
    return np.arange(1, len(rows) + 1), pa.RecordBatch.from_arrays(columns, names=list(fields))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    data = DataStore.open(sqlite_url(tmp_path / "ingester.db"))
    yield Store(data)
    data.close()
