"""Phase 5: what a row says of other records must hold in the state after this import: references, unique values.

All of it is reported for every row whose cells could be read, also for one that is rejected already, so that a customer
mends everything at once. A row may lean on another row of its file: on a parent that comes with it, or on a record
that gives up a unique value. When such a row falls, those that lean on it fall too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.domain import notice
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.phases.account import Account
from ingester.ruleset.model import Entity, Field
from ingester.spill.notices import Kind, Notices
from ingester.spill.references import Unresolved, having
from ingester.spill.repeats import repeats
from ingester.spill.rows import ROW, Rows
from ingester.spill.verdict import Verdict
from ingester.store.lookup import taken_values
from ingester.store.merge import Scope

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Finding:
    """Rows of one kind of notice: those that are wrong for certain, and those that are if the row they lean on is."""

    kind: Kind
    wrong: _Numbers
    leaning: _Numbers
    on: _Numbers


def run(
    connection: Connection | None,
    rows: Rows,
    entity: Entity,
    notices: Notices,
    verdict: Verdict,
    workspace: Path,
    scope: Scope,
    unresolved: list[Unresolved],
) -> PhaseRecord:
    """Check references and unique values of all rows; without a connection, what the file alone can tell."""
    account = Account(PhaseName.VALIDATION)
    total = verdict.valid_rows
    unique = [field for field in entity.fields if field.name in rows.fields and _must_be_unique(field, entity)]
    if not unique and not entity.foreign_keys:
        return account.skip("the entity has no references and no unique fields", total=total)
    found = [*_incomplete(rows, entity)]
    for field in unique:
        found.append(_repeated(rows, field, verdict, workspace))
        if connection is not None:
            found.append(_taken(connection, rows, field, entity, verdict, scope))
    found += [_missing(rows, entity, verdict, each) for each in unresolved]
    for finding in found:
        verdict.reject(finding.wrong)
    for number, (finding, fallen) in enumerate(zip(found, _fall(found, verdict), strict=True)):
        struck = np.sort(np.concatenate((finding.wrong, fallen)))
        notices.add(f"{PhaseName.VALIDATION}-{number}", [(finding.kind, struck)])
    return account.close(total=total, error=total - verdict.valid_rows)


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


# --- references ------------------------------------------------------------------------------------------------------


def _incomplete(rows: Rows, entity: Entity) -> Iterator[_Finding]:
    """Rows that give a composite reference by half: what they refer to could not be told."""
    for key in entity.foreign_keys:
        given = tuple(name for name in key.fields if name in rows.fields)
        if len(key.fields) == 1 or not given:
            continue
        wrong = []
        for numbers, batch in rows.batches(given):
            filled = np.zeros(batch.num_rows, np.int64)
            for column in batch.columns:
                filled += pc.is_valid(column).to_numpy(zero_copy_only=False)
            wrong.append(numbers[(filled > 0) & (filled < len(key.fields))])
        yield _finding("incomplete_reference", key.fields, wrong, expected=", ".join(key.fields))


def _missing(rows: Rows, entity: Entity, verdict: Verdict, missing: Unresolved) -> _Finding:
    """Rows that refer to a record which is not stored; a parent may come with the file, even later in it."""
    key = missing.foreign_key
    own = key.entity == entity.name and set(key.reference_fields) <= set(rows.fields)
    if not own:
        wrong = [numbers[having(batch, key.fields, missing.values)] for numbers, batch in rows.batches(key.fields)]
        return _finding("reference_not_found", key.fields, wrong, expected=key.entity)
    children = _numbered(rows, key.fields, missing, None)
    parents = _numbered(rows, key.reference_fields, missing, verdict).rename_columns(["_parent", *key.fields])
    met = children.join(parents, keys=list(key.fields), join_type="left outer", use_threads=False)
    child, parent = met[ROW].to_numpy(), pc.fill_null(met["_parent"], 0).to_numpy()
    orphan = parent == 0
    return _finding(
        "reference_not_found",
        key.fields,
        [child[orphan]],
        expected=key.entity,
        leaning=child[~orphan],
        on=parent[~orphan],
    )


def _numbered(rows: Rows, columns: tuple[str, ...], missing: Unresolved, verdict: Verdict | None) -> pa.Table:
    """Row number and `columns` of the rows that have a missing value there; only good rows if there is a verdict."""
    parts = []
    for numbers, batch in rows.batches(columns):
        wanted = having(batch, columns, missing.values)
        if verdict is not None:
            wanted &= verdict.good(numbers)
        keep = pa.array(wanted)
        parts.append(pa.table([pa.array(numbers).filter(keep), *batch.filter(keep).columns], names=[ROW, *columns]))
    return pa.concat_tables(parts)


# --- unique values ---------------------------------------------------------------------------------------------------


def _repeated(rows: Rows, field: Field, verdict: Verdict, workspace: Path) -> _Finding:
    """Rows of the file that share a value."""
    wrong = [table[ROW].to_numpy() for table in repeats(rows, (field.name,), verdict.good, workspace)]
    return _finding("not_unique", (field.name,), wrong)


def _taken(
    connection: Connection, rows: Rows, field: Field, entity: Entity, verdict: Verdict, scope: Scope
) -> _Finding:
    """Rows whose value a stored record has, unless this file gives that record another."""
    taken, by = taken_values(
        connection, entity, field.name, _good(rows, (field.name, *entity.primary_key), verdict), scope
    )
    freed = by > 0
    return _finding("value_taken", (field.name,), [taken[~freed]], leaning=taken[freed], on=by[freed])


def _good(rows: Rows, columns: tuple[str, ...], verdict: Verdict) -> Iterator[tuple[_Numbers, pa.RecordBatch]]:
    for numbers, batch in rows.batches(columns):
        keep = verdict.good(numbers) & pc.is_valid(batch.column(0)).to_numpy(zero_copy_only=False)
        yield numbers[keep], batch.filter(pa.array(keep))


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
