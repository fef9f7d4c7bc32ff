"""Phase 3: give rows the ids of the records that they name, by their references and by their own key.

Values are looked up as sets: each distinct value of a batch once, and those met before from memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import Action
from ingester.phases.account import Account
from ingester.ruleset.model import Entity, ForeignKey, ReferenceScope, column_name
from ingester.spill.references import AMBIGUOUS, MISSING, NOT_GIVEN, RECORD, Resolved, elsewhere, provided
from ingester.spill.rows import Rows
from ingester.spill.verdict import Verdict
from ingester.store.lookup import record_ids
from ingester.store.scope import Scope, is_empty, other_sources

_Ids = npt.NDArray[np.int64]

#: Distinct values whose ids are remembered from batch to batch.
_REMEMBERED = 100_000
#: These actions need to know whether a row's record is stored.
_ABOUT_RECORDS = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE})


def run(
    connection: Connection, rows: Rows, entity: Entity, verdict: Verdict, workspace: Path, scope: Scope, action: Action
) -> tuple[Resolved, PhaseRecord]:
    """Resolve every reference whose columns the file provides; empty cells refer to nothing."""
    account = Account(PhaseName.TRANSFORMING)
    total = verdict.valid_rows
    resolved = Resolved(rows, workspace)
    for foreign_key in provided(entity, rows):
        resolved.add(foreign_key.id_column, _Resolver(connection, entity, foreign_key, scope).ids(rows))
    for foreign_key in _by_half(entity, rows):
        # Whoever erases a part of a reference erases what it led to.
        resolved.add(foreign_key.id_column, (np.full(len(each), NOT_GIVEN) for each, _ in rows.batches(())))
    if entity.primary_key and action in _ABOUT_RECORDS:
        own = ForeignKey(fields=entity.primary_key, entity=entity.name, reference_fields=entity.primary_key)
        resolved.add(RECORD, _Resolver(connection, entity, own, scope).ids(rows))
    if not resolved.columns:
        return resolved, account.skip("the file refers to no other record", total=total)
    return resolved, account.close(total=total, error=0)


def _by_half(entity: Entity, rows: Rows) -> list[ForeignKey]:
    """The references of which the file provides some columns and lacks others."""
    columns = [(key, {column_name(name) for name in key.fields} & set(rows.fields)) for key in entity.foreign_keys]
    return [key for key, given in columns if given and len(given) < len(key.fields)]


class _Resolver:
    """Looks up the records of one reference."""

    def __init__(self, connection: Connection, entity: Entity, foreign_key: ForeignKey, scope: Scope) -> None:
        self._connection = connection
        self._scope = scope
        self._fields = [entity.field(name) for name in foreign_key.fields]
        self._own = tuple(field.column for field in self._fields)
        self._table = f"{entity.catalogue}__{foreign_key.entity}"
        self._columns = [column_name(name) for name in foreign_key.reference_fields]
        self._own_is_empty = is_empty(connection, self._table, scope)
        others = other_sources(connection, self._table, scope) if foreign_key.scope is ReferenceScope.TENANT else []
        self._others = [scope.of(source) for source in others]
        self._may_come = foreign_key.entity == entity.name
        self._known = pa.array([], pa.string())
        self._known_ids = np.empty(0, np.int64)

    def ids(self, rows: Rows) -> Iterator[_Ids]:
        """For each batch the id of every row's record, or why there is none."""
        for _, batch in rows.batches(self._own):
            yield self._resolve(batch)

    def _resolve(self, batch: pa.RecordBatch) -> _Ids:
        keys = _as_text(batch)
        encoded = keys.dictionary_encode()
        indices = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()
        first = np.zeros(len(encoded.dictionary) + 1, np.int64)
        first[indices[::-1]] = np.arange(len(indices))[::-1]
        ids = np.append(self._of(encoded.dictionary, batch, first[:-1]), NOT_GIVEN)
        found: _Ids = ids[indices]
        return found

    def _of(self, keys: pa.Array, batch: pa.RecordBatch, first: _Ids) -> _Ids:
        """The ids of distinct keys, which stand in `batch` at `first`."""
        known = pc.index_in(keys, value_set=self._known).fill_null(-1).to_numpy()
        ids: _Ids = np.append(self._known_ids, MISSING)[known]
        new = np.flatnonzero(known < 0)
        if new.size:
            ids[new] = self._ask(batch.take(pa.array(first[new])))
            if len(self._known) + new.size <= _REMEMBERED:
                self._known = pa.concat_arrays([self._known, keys.take(pa.array(new))])
                self._known_ids = np.concatenate((self._known_ids, ids[new]))
        return ids

    def _ask(self, keys: pa.RecordBatch) -> _Ids:
        """The ids of records of the own source; where it has none, of the one other source that has.

        Where the own source's may come with the file, another source's wait: see `elsewhere`.
        """
        ids = np.full(keys.num_rows, MISSING, np.int64)
        if not self._own_is_empty:
            found = self._lookup(keys, self._scope)
            ids = np.where(found > 0, found, ids)
        if not self._others:
            return ids
        left = np.flatnonzero(ids == MISSING)
        keys = keys.take(pa.array(left))
        for scope in self._others:
            found = self._lookup(keys, scope)
            other = elsewhere(found) if self._may_come else found
            ids[left] = np.where(found == 0, ids[left], np.where(ids[left] == MISSING, other, AMBIGUOUS))
        return ids

    def _lookup(self, keys: pa.RecordBatch, scope: Scope) -> _Ids:
        return record_ids(self._connection, self._table, self._columns, self._fields, keys, scope)


def _as_text(batch: pa.RecordBatch) -> pa.StringArray:
    """Each row's key as one text, different for different keys; null where a part of it is missing."""
    columns = [pc.cast(column, pa.string()) for column in batch.columns]
    if len(columns) == 1:
        return columns[0]
    sized = [part for each in columns for part in (pc.cast(pc.binary_length(each), pa.string()), ":", each)]
    return pc.binary_join_element_wise(*sized, "")
