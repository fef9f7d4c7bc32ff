"""Phase 5: what a row says of other records must hold in the state after this import.

References, unique values, and whether the record itself is there, or is not, as the action needs it. All of it is
reported for every row whose cells could be read, also for one that is rejected already, so that a customer mends
everything at once. A row may lean on another row of its file: on a parent that comes with it, or on a record that gives
up a unique value. When such a row falls, those that lean on it fall too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.checks.keyhash import key_hash
from ingester.domain import notice
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import Action
from ingester.phases.account import Account
from ingester.ruleset.model import Entity, Field, ForeignKey, column_name
from ingester.spill.notices import Kind, Notices
from ingester.spill.references import AMBIGUOUS, MISSING, RECORD, Resolved, provided
from ingester.spill.repeats import repeats
from ingester.spill.rows import ROW, Rows
from ingester.spill.verdict import Verdict
from ingester.store.lookup import holders
from ingester.store.removal import Referring, still_referenced
from ingester.store.scope import is_empty
from ingester.store.target import Target

_Numbers = npt.NDArray[np.int64]

#: Rows that refer to a parent in their own file and are matched to it at a time.
_MATCHED = 1_000_000


@dataclass(frozen=True, slots=True)
class _Finding:
    """Rows of one kind of notice: those that are wrong for certain, and those that are if the row they lean on is."""

    kind: Kind
    wrong: _Numbers
    leaning: _Numbers
    on: _Numbers


@dataclass(frozen=True, slots=True)
class Stored:
    """What the rows are checked against; a check of a file alone has none."""

    connection: Connection
    target: Target
    resolved: Resolved
    referring: Referring


def run(
    rows: Rows,
    entity: Entity,
    action: Action,
    notices: Notices,
    verdict: Verdict,
    stored: Stored | None,
) -> PhaseRecord:
    """Check all rows against each other and, where there is a database, against the stored records."""
    account = Account(PhaseName.VALIDATION)
    total = verdict.valid_rows
    found = list(_findings(rows, entity, action, verdict, stored))
    if not found:
        return account.skip("nothing in the file depends on other records", total=total)
    for finding in found:
        verdict.reject(finding.wrong)
    for number, (finding, fallen) in enumerate(zip(found, _fall(found, verdict), strict=True)):
        struck = np.sort(np.concatenate((finding.wrong, fallen)))
        notices.add(f"{PhaseName.VALIDATION}-{number}", [(finding.kind, struck)])
    return account.close(total=total, error=total - verdict.valid_rows)


def _findings(
    rows: Rows, entity: Entity, action: Action, verdict: Verdict, stored: Stored | None
) -> Iterator[_Finding]:
    yield from _incomplete(rows, entity)
    if stored is not None and RECORD in stored.resolved.columns:
        yield _existing(stored.resolved, entity, action)
    for field in entity.fields:
        if field.column in rows.fields and _must_be_unique(field, entity):
            yield _repeated(rows, field, verdict)
            if stored is not None and _may_meet_stored_values(stored, action):
                yield _taken(stored, rows, field, entity, verdict)
    if stored is None:
        return
    for key in provided(entity, rows):
        yield from _unresolved(stored.resolved, key, entity, verdict)
    if action is Action.DELETE:
        yield from _referenced(stored, verdict)


def _may_meet_stored_values(stored: Stored, action: Action) -> bool:
    """Whether stored records may keep a value that a row wants; an `overwrite` without a key replaces all of them."""
    if action is Action.OVERWRITE and not stored.target.keyed:
        return False
    return not is_empty(stored.connection, stored.target.entity.table, stored.target.scope)


def _must_be_unique(field: Field, entity: Entity) -> bool:
    return field.constraints.unique and entity.primary_key != (field.name,)


def _finding(
    code: str,
    fields: tuple[str, ...],
    wrong: list[_Numbers],
    *,
    expected: str = "",
    leaning: _Numbers | None = None,
    on: _Numbers | None = None,
) -> _Finding:
    nothing = np.empty(0, np.int64)
    return _Finding(
        Kind(code, fields, notice.message(code, expected=expected)),
        np.concatenate(wrong) if wrong else nothing,
        nothing if leaning is None else leaning,
        nothing if on is None else on,
    )


# --- the record itself -----------------------------------------------------------------------------------------------


def _existing(resolved: Resolved, entity: Entity, action: Action) -> _Finding:
    """Rows whose record is there already, or is not."""
    creating = action is Action.CREATE
    wrong = [numbers[(ids > 0) if creating else (ids == MISSING)] for numbers, ids in resolved.ids(RECORD)]
    return _finding("already_exists" if creating else "not_found", entity.primary_key, wrong)


def _referenced(stored: Stored, verdict: Verdict) -> Iterator[_Finding]:
    """Rows that would delete a record which others refer to."""
    for held in still_referenced(stored.connection, stored.target, stored.referring, stored.resolved.records(verdict)):
        fields = stored.target.entity.primary_key
        yield _finding("still_referenced", fields, [held.wrong], expected=held.by, leaning=held.leaning, on=held.on)


# --- references ------------------------------------------------------------------------------------------------------


def _incomplete(rows: Rows, entity: Entity) -> Iterator[_Finding]:
    """Rows that give a composite reference by half: what they refer to could not be told."""
    for key in entity.foreign_keys:
        given = tuple(column for name in key.fields if (column := column_name(name)) in rows.fields)
        if len(key.fields) == 1 or not given:
            continue
        wrong = []
        for numbers, batch in rows.batches(given):
            filled = np.zeros(batch.num_rows, np.int64)
            for column in batch.columns:
                filled += pc.is_valid(column).to_numpy(zero_copy_only=False)
            wrong.append(numbers[(filled > 0) & (filled < len(key.fields))])
        yield _finding("incomplete_reference", key.fields, wrong, expected=", ".join(key.fields))


def _unresolved(resolved: Resolved, key: ForeignKey, entity: Entity, verdict: Verdict) -> Iterator[_Finding]:
    """Rows that refer to a record which is not stored, or to several."""
    missing, ambiguous = [], []
    for numbers, ids in resolved.ids(key.id_column):
        missing.append(numbers[ids == MISSING])
        ambiguous.append(numbers[ids == AMBIGUOUS])
    yield _finding("ambiguous_reference", key.fields, ambiguous, expected=key.entity)
    orphans, children, parents = np.concatenate([np.empty(0, np.int64), *missing]), None, None
    theirs = {column_name(name) for name in key.reference_fields}
    if len(orphans) and key.entity == entity.name and theirs <= set(resolved.rows.fields):
        children, parents = _matched(resolved, key, verdict, len(orphans))
        orphans = np.setdiff1d(orphans, children, assume_unique=True)
    yield _finding("reference_not_found", key.fields, [orphans], expected=key.entity, leaning=children, on=parents)


def _matched(resolved: Resolved, key: ForeignKey, verdict: Verdict, count: int) -> tuple[_Numbers, _Numbers]:
    """Rows whose record is not stored but comes with the file, even later in it, and the row that it comes with."""
    own = tuple(column_name(name) for name in key.fields)
    theirs = tuple(column_name(name) for name in key.reference_fields)
    names = [f"_{i}" for i in range(len(own))]
    children, parents = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    partitions = -(-count // _MATCHED)
    for partition in range(partitions):
        wanted = _part(resolved, own, partition, partitions, id_column=key.id_column)
        offered = _part(resolved, theirs, partition, partitions, verdict=verdict)
        met = wanted.rename_columns([ROW, *names]).join(
            offered.rename_columns(["_parent", *names]), keys=names, join_type="inner", use_threads=False
        )
        children.append(met[ROW].to_numpy())
        parents.append(met["_parent"].to_numpy())
    return np.concatenate(children), np.concatenate(parents)


def _part(
    resolved: Resolved,
    columns: tuple[str, ...],
    partition: int,
    partitions: int,
    *,
    id_column: str | None = None,
    verdict: Verdict | None = None,
) -> pa.Table:
    """Row numbers and `columns` of the rows in one partition of the values: of those not resolved, or of the good."""
    parts = []
    for numbers, batch, ids in resolved.batches(columns):
        wanted = verdict.good(numbers) if verdict is not None else ids[id_column or ""] == MISSING
        if partitions > 1:
            wanted = wanted & (key_hash(batch.columns) % np.uint64(partitions) == partition)
        keep = pa.array(wanted)
        parts.append(pa.table([pa.array(numbers).filter(keep), *batch.filter(keep).columns], names=[ROW, *columns]))
    return pa.concat_tables(parts)


# --- unique values ---------------------------------------------------------------------------------------------------


def _repeated(rows: Rows, field: Field, verdict: Verdict) -> _Finding:
    """Rows of the file that share a value."""
    wrong = [table[ROW].to_numpy() for table in repeats(rows, (field.column,), verdict.good)]
    return _finding("not_unique", (field.name,), wrong)


def _taken(stored: Stored, rows: Rows, field: Field, entity: Entity, verdict: Verdict) -> _Finding:
    """Rows whose value a stored record has, unless this file gives that record another."""
    key = tuple(column_name(name) for name in entity.primary_key)
    taken: list[_Numbers] = [np.empty(0, np.int64)]
    held: list[tuple[object, ...]] = []
    for numbers, batch in rows.batches((field.column, *key)):
        keep = verdict.good(numbers)
        for column in batch.columns:
            keep &= pc.is_valid(column).to_numpy(zero_copy_only=False)
        at, by = holders(stored.connection, entity, field, batch.filter(pa.array(keep)), stored.target.scope)
        taken.append(numbers[keep][at])
        held += zip(*(column.to_pylist() for column in by), strict=True) if by else [()] * len(at)
    wanted = np.concatenate(taken)
    by_row = _rows_of(rows, key, held, verdict, freeing=field.column if not stored.target.erases else None)
    on = np.array([by_row.get(each, 0) for each in held], np.int64)
    return _finding("value_taken", (field.name,), [wanted[on == 0]], leaning=wanted[on > 0], on=on[on > 0])


def _rows_of(
    rows: Rows, key: tuple[str, ...], held: list[tuple[object, ...]], verdict: Verdict, *, freeing: str | None
) -> dict[tuple[object, ...], int]:
    """The good row, by key, that gives a record another value of its own; without a key no row does."""
    found: dict[tuple[object, ...], int] = {}
    if not held or not key:
        return found
    wanted = set(held)
    columns = key if freeing is None else (*key, freeing)
    for numbers, batch in rows.batches(columns):
        keep = verdict.good(numbers)
        if freeing is not None:
            keep &= pc.is_valid(batch.column(freeing)).to_numpy(zero_copy_only=False)
        first = pa.array({each[0] for each in wanted}, batch.column(0).type)
        keep &= pc.is_in(batch.column(0), value_set=first).to_numpy(zero_copy_only=False)
        chosen = batch.filter(pa.array(keep))
        values = zip(*(chosen.column(name).to_pylist() for name in key), strict=True)
        found.update(
            (each, number) for each, number in zip(values, numbers[keep].tolist(), strict=True) if each in wanted
        )
    return found


# --- what falls with what --------------------------------------------------------------------------------------------


def _fall(found: list[_Finding], verdict: Verdict) -> list[_Numbers]:
    """Reject rows that lean on bad rows, and those that lean on them, and so on; returns which, for each finding.

    Each row is looked at once, however long the chain.
    """
    owner = np.concatenate([np.full(len(finding.leaning), i) for i, finding in enumerate(found)])
    leaning = np.concatenate([finding.leaning for finding in found])
    on = np.concatenate([finding.on for finding in found])
    order = np.argsort(on, kind="stable")
    owner, leaning, on = owner[order], leaning[order], on[order]
    fallen: list[list[int]] = [[] for _ in found]
    bad = np.unique(on)[~verdict.good(np.unique(on))].tolist()
    seen = set(bad)
    while bad:
        row = bad.pop()
        first, last = np.searchsorted(on, (row, row + 1))
        for which, child in zip(owner[first:last].tolist(), leaning[first:last].tolist(), strict=True):
            fallen[which].append(child)
            if child not in seen:
                seen.add(child)
                bad.append(child)
    result = [np.array(sorted(set(rows)), np.int64) for rows in fallen]
    for rows in result:
        verdict.reject(rows)
    return result
