"""Phase 7: under `overwrite`, remove the records that no row of the file has. Other actions have nothing to clean."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from ingester.domain import notice
from ingester.domain.errors import Held
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.status import Action
from ingester.phases.account import Account
from ingester.phases.leaving import leaving, names_records, unreadable
from ingester.spill.notices import Notices
from ingester.spill.references import Resolved
from ingester.spill.verdict import Verdict
from ingester.store.removal import Referring
from ingester.store.target import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """What keeps a mistake from emptying a table: beyond this share of the stored records, somebody has to agree."""

    percent: int
    approved: bool = False
    empty_approved: bool = False


def run(
    connection: Connection,
    target: Target,
    resolved: Resolved,
    referring: Referring,
    notices: Notices,
    verdict: Verdict,
    action: Action,
    guard: Guard,
    created: int,
    *,
    dry_run: bool,
) -> tuple[int, PhaseRecord]:
    """Remove, or count what would be removed; `created` is how many records the import made, or would make.

    Raises Held, unless this is a dry run, when the guard trips.
    """
    account = Account(PhaseName.CLEANUP)
    if action is not Action.OVERWRITE:
        return 0, account.skip(f"the action is {action}")
    if not verdict.total:
        if not dry_run and not guard.empty_approved:
            raise Held("empty_overwrite", notice.message("empty_overwrite"))
        notices.add_to_file("empty_overwrite")
    if not names_records(target, resolved):
        return 0, account.skip("the file has no key column")
    nameless = unreadable(target, resolved, verdict)
    if nameless:
        notices.add_to_file("cleanup_skipped", expected=str(nameless))
        return 0, account.skip("rows whose key cannot be read may be about any record")
    with leaving(connection, target, resolved, referring, verdict) as cleanup:
        kept = cleanup.keep_referenced()
        going, stored = cleanup.counts()
        # As it was before the import, which a dry run has not changed.
        before = stored if dry_run else stored - created
        # Without a key every record is replaced by another: what matters is how many fewer there will be.
        fewer = going if target.keyed else max(0, going - created)
        if fewer * 100 > before * guard.percent:
            _trip(notices, guard, fewer, before, dry_run=dry_run)
        for each in kept:
            shown = ", ".join(each.keys) + (", …" if each.count > len(each.keys) else "")
            notices.add_to_file("kept_referenced", expected=f"{each.count} of them ({each.by})", value=shown)
        removed = going if dry_run else cleanup.apply()
    return removed, account.close(total=before, error=0)


def _trip(notices: Notices, guard: Guard, going: int, stored: int, *, dry_run: bool) -> None:
    said = f"{going} of {stored}"
    if not guard.approved and not dry_run:
        raise Held("mass_removal", notice.message("mass_removal", expected=said))
    notices.add_to_file("mass_removal", expected=said)
