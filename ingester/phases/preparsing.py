"""Phase 2: rows of the file that share a key. The policy says which of them, if any, is kept."""

from __future__ import annotations

from ingester.domain import notice
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import DuplicateHandling
from ingester.phases.account import Account
from ingester.ruleset.model import Entity, column_name
from ingester.spill.notices import Kind, Notices
from ingester.spill.repeats import FIRST, IDENTICAL, LAST, repeats
from ingester.spill.rows import ROW, Rows
from ingester.spill.verdict import Verdict

_SAID = {
    DuplicateHandling.IGNORE_ALL: "Another row of the file has the same key; none of them was imported",
    DuplicateHandling.USE_FIRST: "Another row of the file has the same key; the first one was used",
    DuplicateHandling.USE_LAST: "Another row of the file has the same key; the last one was used",
}


def run(rows: Rows, entity: Entity, notices: Notices, verdict: Verdict, policy: DuplicateHandling) -> PhaseRecord:
    """Refuse duplicates among the rows that are good so far. Exact copies are no conflict: the first is kept."""
    account = Account(PhaseName.PREPARSING)
    total = verdict.valid_rows
    if not entity.primary_key:
        return account.skip("the entity has no key: every row is a new record", total=total)
    conflict = Kind("duplicate_row", entity.primary_key, notice.message("duplicate_row", expected=_SAID[policy]))
    copy = Kind("identical_row", entity.primary_key, notice.message("identical_row"))
    for share, repeated in repeats(rows, tuple(map(column_name, entity.primary_key)), verdict.good):
        numbers = repeated[ROW].to_numpy()
        identical = repeated[IDENTICAL].to_numpy()
        copied = identical & (numbers != repeated[FIRST].to_numpy())
        refused = ~identical
        if policy is DuplicateHandling.USE_FIRST:
            refused &= numbers != repeated[FIRST].to_numpy()
        elif policy is DuplicateHandling.USE_LAST:
            refused &= numbers != repeated[LAST].to_numpy()
        struck = [(conflict, numbers[refused]), (copy, numbers[copied])]
        verdict.refuse(notices.add(f"{PhaseName.PREPARSING}-{share}", struck))
    return account.close(total=total, error=total - verdict.valid_rows)
