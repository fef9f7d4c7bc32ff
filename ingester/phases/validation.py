"""Phase 5: what must hold in the state after this import.

The rules' own checks, references, unique values, and whether the record itself is there, or is not, as the action needs
it. All of it is reported for every row whose cells could be read, also for one that is rejected already, so that a
customer mends everything at once. A row may lean on another row of its file: on a parent that comes with it, or on a
record that gives up a unique value. When such a row falls, those that lean on it fall too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.checks.fault import present
from ingester.checks.keyhash import key_hash
from ingester.domain import notice
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import Action
from ingester.phases.account import Account
from ingester.phases.assertions import Assertions
from ingester.phases.leaving import leaving, names_records, unreadable
from ingester.ruleset.model import Entity, Field, ForeignKey, ReferenceScope, column_name
from ingester.spill.notices import Kind, Notices
from ingester.spill.references import AMBIGUOUS, ELSEWHERE, MISSING, RECORD, Resolved, elsewhere, provided
from ingester.spill.repeats import repeats
from ingester.spill.rows import ROW, Rows, RowWriter
from ingester.spill.verdict import Verdict
from ingester.store.lookup import holders
from ingester.store.removal import Referring, still_referenced
from ingester.store.scope import is_empty
from ingester.store.target import Target

_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
#: Row numbers and the columns of a key, batch by batch.
_Keys = Iterator[tuple[_Numbers, pa.RecordBatch]]

#: Rows that ask for another row of their own file and are matched to it at a time.
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
    """What the rows are checked against; a check of a file alone has none. `folder` is the workspace."""

    connection: Connection
    target: Target
    resolved: Resolved
    referring: Referring
    folder: Path


def run(
    rows: Rows,
    entity: Entity,
    assertions: Assertions,
    action: Action,
    notices: Notices,
    verdict: Verdict,
    stored: Stored | None,
) -> PhaseRecord:
    """Check all rows by themselves, against each other and, where there is a database, against the stored records."""
    account = Account(PhaseName.VALIDATION)
    total = verdict.valid_rows
    for numbers in assertions.failed():
        verdict.reject(numbers)
    place = None if stored is None else (stored.connection, stored.target)
    verdict.reject(notices.add(PhaseName.VALIDATION, list(assertions.decided(action, place))))
    found = list(_findings(rows, entity, action, verdict, stored))
    if not found and not entity.checks:
        return account.skip("nothing in the file depends on other records", total=total)
    for finding in found:
        verdict.reject(finding.wrong)
    for number, (finding, fallen) in enumerate(zip(found, _fall(found, verdict), strict=True)):
        struck = np.sort(np.concatenate((finding.wrong, fallen)))
        notices.add(f"{PhaseName.VALIDATION}-{number}", [(finding.kind, struck)])
    if stored is not None:
        _settle(stored.resolved, entity, verdict)
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
                yield _taken(stored, rows, field, entity, action, verdict)
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
    for code, reason in (("ambiguous_reference", AMBIGUOUS), ("reference_not_found", MISSING)):
        found = [numbers[ids == reason] for numbers, ids in resolved.ids(key.id_column)]
        children, parents = _matched(resolved, key, entity, verdict, partial(np.equal, reason))
        orphans = np.setdiff1d(np.concatenate([np.empty(0, np.int64), *found]), children, assume_unique=True)
        # A row that refers to itself stands or falls by what else is said of it.
        others = children != parents
        yield _finding(code, key.fields, [orphans], expected=key.entity, leaning=children[others], on=parents[others])


def _settle(resolved: Resolved, entity: Entity, verdict: Verdict) -> None:
    """Let a record that comes with the file go before those of other sources, now that it is sure to come."""
    for key in provided(entity, resolved.rows):
        if key.entity != entity.name or key.scope is not ReferenceScope.TENANT:
            continue
        children = np.sort(_matched(resolved, key, entity, verdict, partial(np.greater_equal, AMBIGUOUS))[0])

        def settled(numbers: _Numbers, ids: _Numbers, children: _Numbers = children) -> _Numbers:
            found = np.where(ids <= ELSEWHERE, elsewhere(ids), ids)
            found[np.isin(numbers, children)] = MISSING
            return found

        resolved.settle(key.id_column, settled)


def _matched(
    resolved: Resolved, key: ForeignKey, entity: Entity, verdict: Verdict, is_wanted: Callable[[_Numbers], _Mask]
) -> tuple[_Numbers, _Numbers]:
    """Rows whose ids are wanted and whose record comes with the file, even later in it; the row it comes with."""
    own = tuple(column_name(name) for name in key.fields)
    theirs = tuple(column_name(name) for name in key.reference_fields)
    count = sum(int(np.count_nonzero(is_wanted(ids))) for _, ids in resolved.ids(key.id_column))
    if key.entity != entity.name or not set(theirs) <= set(resolved.rows.fields):
        count = 0

    def wanted() -> _Keys:
        for numbers, batch, ids in resolved.batches(own):
            yield _chosen(numbers, batch, is_wanted(ids[key.id_column]))

    def offered() -> _Keys:
        for numbers, batch in resolved.rows.batches(theirs):
            yield _chosen(numbers, batch, verdict.good(numbers))

    return _met(wanted, offered, count)


def _met(wanted: Callable[[], _Keys], offered: Callable[[], _Keys], count: int) -> tuple[_Numbers, _Numbers]:
    """The rows of one side, `count` in all, that have the key of a row of the other, and that row; shares at a time."""
    wanting, offering = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    shares = -(-count // _MATCHED)
    for share in range(shares):
        one, other = _share(wanted(), share, shares), _share(offered(), share, shares)
        keys = one.column_names[1:]
        other = other.rename_columns(["_other", *keys])
        met = one.join(other, keys=keys, join_type="inner", use_threads=False)
        wanting.append(met[ROW].to_numpy())
        offering.append(met["_other"].to_numpy())
    return np.concatenate(wanting), np.concatenate(offering)


def _share(keys: _Keys, share: int, shares: int) -> pa.Table:
    """Row numbers and keys of those rows whose key belongs to one share."""
    parts = []
    for numbers, batch in keys:
        if shares > 1:
            numbers, batch = _chosen(numbers, batch, key_hash(batch.columns) % np.uint64(shares) == share)
        names = [ROW, *(f"_{i}" for i in range(batch.num_columns))]
        parts.append(pa.table([pa.array(numbers), *batch.columns], names=names))
    return pa.concat_tables(parts)


def _chosen(numbers: _Numbers, batch: pa.RecordBatch, keep: _Mask) -> tuple[_Numbers, pa.RecordBatch]:
    return numbers[keep], batch.filter(pa.array(keep))


# --- unique values ---------------------------------------------------------------------------------------------------


def _repeated(rows: Rows, field: Field, verdict: Verdict) -> _Finding:
    """Rows of the file that share a value."""
    wrong = [table[ROW].to_numpy() for _, table in repeats(rows, (field.column,), verdict.good)]
    return _finding("not_unique", (field.name,), wrong)


def _taken(stored: Stored, rows: Rows, field: Field, entity: Entity, action: Action, verdict: Verdict) -> _Finding:
    """Rows whose value a stored record has, unless this import takes it from that record."""
    key = tuple(column_name(name) for name in entity.primary_key)
    conflicts = Rows(stored.folder / f"taken-{field.column}.arrow", ("id", *key))
    with RowWriter(stored.folder / f"taken-{field.column}.arrow") as writer:
        for numbers, batch in rows.batches((field.column, *key)):
            mine, batch = _chosen(numbers, batch, verdict.good(numbers) & _is_whole(batch))
            at, by = holders(stored.connection, entity, field, batch, stored.target.scope)
            if len(at):
                writer.write(pa.array(mine[at]), dict(zip(by.schema.names, by.columns, strict=True)))
    if action is Action.OVERWRITE:
        conflicts = _lasting(stored, conflicts, verdict)
    wanted = np.concatenate([np.empty(0, np.int64), *(numbers for numbers, _ in conflicts.batches(()))])
    if not key or not len(wanted):
        return _finding("value_taken", (field.name,), [wanted])

    def freed() -> _Keys:
        """The good rows that give their records another value."""
        for numbers, batch in rows.batches((*key, field.column)):
            frees = verdict.good(numbers)
            if not stored.target.erases:
                frees &= present(batch.column(field.column))
            yield _chosen(numbers, batch.select(key), frees)

    leaning, on = _met(lambda: conflicts.batches(key), freed, len(wanted))
    # A value that several records have is free when each of them gives it up.
    rows_, often = np.unique(np.concatenate((wanted, leaning)), return_counts=True)
    freed_often = np.bincount(np.searchsorted(rows_, leaning), minlength=len(rows_))
    return _finding("value_taken", (field.name,), [rows_[often > 2 * freed_often]], leaning=leaning, on=on)


def _lasting(stored: Stored, conflicts: Rows, verdict: Verdict) -> Rows:
    """The conflicts with records that this `overwrite` does not remove, whatever may yet be found wrong."""
    target, resolved = stored.target, stored.resolved
    if not names_records(target, resolved) or not conflicts.last or unreadable(target, resolved, verdict):
        return conflicts
    lasting = Rows(conflicts.path.with_suffix(".lasting"), conflicts.fields)
    with (
        leaving(stored.connection, target, resolved, stored.referring, verdict, cautious=True) as cleanup,
        RowWriter(lasting.path) as writer,
    ):
        cleanup.keep_referenced()
        for numbers, batch in conflicts.batches():
            stays = ~cleanup.among(batch.column("id").to_numpy())
            if stays.any():
                numbers, batch = _chosen(numbers, batch, stays)
                writer.write(pa.array(numbers), dict(zip(batch.schema.names, batch.columns, strict=True)))
    return lasting


def _is_whole(batch: pa.RecordBatch) -> _Mask:
    whole: _Mask = np.logical_and.reduce([present(column) for column in batch.columns])
    return whole


# --- what falls with what --------------------------------------------------------------------------------------------


def _fall(found: list[_Finding], verdict: Verdict) -> list[_Numbers]:
    """Reject rows that lean on bad rows, and those that lean on them, and so on; returns which, for each finding.

    Each row is looked at once, however long the chain.
    """
    if not found:
        return []
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
