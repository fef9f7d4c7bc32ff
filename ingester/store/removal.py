"""Taking records out: those a `delete` names, and those that an `overwrite` no longer finds in its file.

A record that others refer to stays. References are asked for from the referring side, one scan of each referring table,
so that no index slows down every import for the sake of the few that delete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from ingester.ruleset.model import Entity, ForeignKey
from ingester.store.database import is_postgres
from ingester.store.entity_table import key_columns
from ingester.store.scope import IN_SCOPE
from ingester.store.staging import ROW, Batches, Staging, run
from ingester.store.statement import listed, quoted
from ingester.store.target import Target

_Numbers = npt.NDArray[np.int64]

#: An entity and its reference to the one whose records go.
Referring = Sequence[tuple[Entity, ForeignKey]]

_KEYS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Held:
    """Rows that would delete what `by` refers to; `leaning` ones do only if the row they lean `on` is refused."""

    by: str
    wrong: _Numbers
    leaning: _Numbers
    on: _Numbers


@dataclass(frozen=True, slots=True)
class Kept:
    """Records that are not in the file, but stay since records of the entity `by` refer to them."""

    by: str
    count: int
    #: The keys of the first few.
    keys: tuple[str, ...]


def still_referenced(connection: Connection, target: Target, referring: Referring, batches: Batches) -> Iterator[Held]:
    """Which rows of a `delete` must be refused. `batches` have one column `id`, of the records to be deleted.

    A record that refers to one of its own kind is no obstacle when the same file deletes it as well.
    """
    with _staged_ids(connection, target, batches) as leaving:
        for entity, keys in _by_entity(referring):
            own = entity.name == target.entity.name
            held = (_held(entity, key, leaving, own=own) for key in keys)
            found = connection.execute(text(" UNION ".join(held)), {"tenant": target.scope.tenant}).fetchall()
            table = np.array(sorted(map(tuple, found)), np.int64).reshape(-1, 2)
            on = table[:, 1]
            yield Held(entity.name, np.unique(table[on == 0, 0]), table[on > 0, 0], on[on > 0])


def _held(entity: Entity, key: ForeignKey, leaving: str, *, own: bool) -> str:
    """The rows whose record somebody refers to by `key`, each with the row, or 0, that deletes who refers to it."""
    column = f"t.{quoted(key.id_column)}"
    rows = f"SELECT s.{ROW}, {'coalesce(k._row, 0)' if own else '0'} FROM {quoted(entity.table)} AS t "
    rows += f"JOIN {leaving} AS s ON s.id = {column} "
    rows += f"LEFT JOIN {leaving} AS k ON k.id = t.id " if own else ""
    return f"{rows} WHERE t.tenant_id = :tenant{f' AND t.id <> {column}' if own else ''}"


def _by_entity(referring: Referring) -> Iterator[tuple[Entity, list[ForeignKey]]]:
    """The references of each entity together, so that nobody is named twice for one record."""
    for name in dict.fromkeys(entity.name for entity, _ in referring):
        of_one = [(entity, key) for entity, key in referring if entity.name == name]
        yield of_one[0][0], [key for _, key in of_one]


def delete(connection: Connection, target: Target, batches: Batches) -> int:
    """Delete the records whose ids come in the one column `id` of `batches`; how many there were."""
    with _staged_ids(connection, target, batches) as leaving:
        statement = f"DELETE FROM {target.table} AS t WHERE {IN_SCOPE} AND t.id IN (SELECT id FROM {leaving})"
        return run(connection, target, statement)


class Cleanup:
    """What an `overwrite` removes: the records of its scope whose key no row of the file has. A context manager.

    `batches` are the rows whose keys could be read, good or not: the key's columns, the id columns of references to the
    entity's own records: null in rows that change nothing there, 0 in those that erase it, negative in rows that are
    refused: what they refer to stays, so that they can be sent again, and what their records refer to now as well.
    `cautious`: any row may yet be refused.
    """

    def __init__(
        self, connection: Connection, target: Target, referring: Referring, batches: Batches, *, cautious: bool = False
    ) -> None:
        self._connection = connection
        self._target = target
        self._referring = referring
        self._cautious = cautious
        key = key_columns(target.entity) if target.keyed else ()
        self._staging = Staging(connection, target, (*key, *target.own_references))
        self._batches = batches
        self._postgres = is_postgres(connection)
        self._table = quoted("leaving_" + target.entity.table[:40])
        #: The table of the ids of the records that are to go.
        self.name = self._table if self._postgres else f"temp.{self._table}"

    def __enter__(self) -> Self:
        staging = self._staging.__enter__()
        staging.fill(self._batches)
        if self._target.keyed:
            staging.index(key_columns(self._target.entity))
        kind, end = ("bigint", " ON COMMIT DROP") if self._postgres else ("INTEGER", "")
        self._run(f"CREATE TEMP TABLE {self._table} (id {kind} PRIMARY KEY){end}")
        self._run(
            f"INSERT INTO {self.name} SELECT t.id FROM {self._target.table} AS t WHERE {IN_SCOPE} "
            f"AND {self._not_in_file()}"
        )
        return self

    def _not_in_file(self) -> str:
        if not self._target.keyed:
            # Every row is a new record, so that whatever an earlier import made is in the file no more.
            return "t.import_id <> :import_id"
        given = {name: f"s.{quoted(name)}" for name in key_columns(self._target.entity)}
        return f"NOT EXISTS (SELECT 1 FROM {self._staging.name} AS s WHERE {self._target.same_record(given)})"

    def counts(self) -> tuple[int, int]:
        """How many records of the scope are to go, and how many are stored now."""
        stored = self._run(f"SELECT count(*) FROM {self._target.table} AS t WHERE {IN_SCOPE}")
        return self._run(f"SELECT count(*) FROM {self.name}"), stored

    def keep_referenced(self) -> list[Kept]:
        """Let those stay that other records refer to, in the state after the import; which, by who refers to them."""
        own = self._target.entity.name
        others = [(entity, keys) for entity, keys in _by_entity(self._referring) if entity.name != own]
        kept = [
            self._keep(entity.name, [" UNION ".join(self._referenced_by(entity, key) for key in keys)])
            for entity, keys in others
        ]
        # Whatever stays for any reason keeps what it refers to itself, so the entity's own references come last.
        ways = [self._referenced_by_own(key) for entity, key in self._referring if entity.name == own]
        kept.append(self._keep(own, ways))
        return [each for each in kept if each.count]

    def _keep(self, by: str, ways: list[str]) -> Kept:
        """Let the records of these queries stay, and ask again until none of them finds another one."""
        count, first, shown = 0, list[tuple[Any, ...]](), listed(key_columns(self._target.entity))
        found = bool(ways)
        while found:
            found = False
            for staying in ways:
                query = (
                    f"SELECT {shown} FROM {self._target.table} WHERE id IN ({staying}) "
                    f"ORDER BY {shown} LIMIT {_KEYS_SHOWN}"
                )
                rows = self._connection.execute(text(query), self._parameters(query)).fetchall()
                if rows:
                    found = len(ways) > 1
                    first = sorted([*first, *map(tuple, rows)])[:_KEYS_SHOWN]
                    count += self._run(f"DELETE FROM {self.name} WHERE id IN ({staying})")
        return Kept(by, count, tuple("|".join(map(str, row)) for row in first))

    def among(self, ids: _Numbers) -> npt.NDArray[np.bool_]:
        """Which of these records are to go."""
        if self._postgres:
            given, wanted = "unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS w(value, place)", ids.tolist()
        else:
            given, wanted = "(SELECT key + 1 AS place, value FROM json_each(:ids)) AS w", json.dumps(ids.tolist())
        query = f"SELECT w.place - 1 FROM {given} JOIN {self.name} AS l ON l.id = w.value"
        leaving = np.zeros(len(ids), np.bool_)
        leaving[[row[0] for row in self._connection.execute(text(query), {"ids": wanted})]] = True
        return leaving

    def apply(self) -> int:
        """Remove what is to go; how many records that were."""
        return self._run(
            f"DELETE FROM {self._target.table} AS t WHERE {IN_SCOPE} AND t.id IN (SELECT id FROM {self.name})"
        )

    def __exit__(self, *error: object) -> None:
        if error[0] is None or not self._postgres:
            self._run(f"DROP TABLE {self.name}")
        self._staging.__exit__(*error)  # type: ignore[arg-type]  # three values, passed on as they came

    def _referenced_by(self, entity: Entity, key: ForeignKey) -> str:
        column = f"t.{quoted(key.id_column)}"
        return (
            f"SELECT {column} FROM {quoted(entity.table)} AS t JOIN {self.name} AS l ON l.id = {column} "
            f"WHERE t.tenant_id = :tenant"
        )

    def _referenced_by_own(self, key: ForeignKey) -> str:
        """Records that a staying record refers to, and whatever those refer to in turn.

        A row of the file says anew what its record refers to, so it is asked instead of what is stored: a dry run,
        which has merged nothing, must come to the same answer.
        """
        column, table, staged = quoted(key.id_column), self._target.table, self._staging.name
        given = {name: f"s.{quoted(name)}" for name in key_columns(self._target.entity)}
        same = self._target.same_record(given)
        said = f"AND NOT EXISTS (SELECT 1 FROM {staged} AS s WHERE {same} AND s.{column} >= 0)"
        if self._cautious:
            said = ""
        from_file = f"SELECT l.id FROM {staged} AS s JOIN {self.name} AS l ON l.id = abs(s.{column}) UNION "
        if key.id_column not in self._target.columns:
            said = from_file = ""
        return (
            f"WITH RECURSIVE kept(id) AS ({from_file}"
            f"SELECT t.{column} FROM {table} AS t JOIN {self.name} AS l ON l.id = t.{column} "
            f"WHERE t.tenant_id = :tenant AND t.id NOT IN (SELECT id FROM {self.name}) {said} "
            f"UNION SELECT t.{column} FROM kept JOIN {table} AS t ON t.id = kept.id "
            f"JOIN {self.name} AS l ON l.id = t.{column}) SELECT id FROM kept"
        )

    def _run(self, statement: str) -> int:
        return run(self._connection, self._target, statement)

    def _parameters(self, query: str) -> dict[str, str]:
        return {name: value for name, value in self._target.scope.parameters.items() if f":{name}" in query}


@contextmanager
def _staged_ids(connection: Connection, target: Target, batches: Batches) -> Iterator[str]:
    with Staging(connection, target, ("id",)) as staging:
        staging.fill(batches)
        staging.index(("id",))
        yield staging.name
