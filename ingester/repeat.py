"""Whether a drop repeats what its line imported last, and what its feed wants to become of it then.

Only what would change nothing is a repetition: the import before it in the line was of the same bytes, by the same feed
with the same words, and accepted whole. Whatever else changed these records in between makes it news.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingester.domain.status import Origin, Outcome, RepeatHandling
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import

#: Why such an import is held or skipped.
REASON = "repeated_drop"

_WORDS = ("feed", "action", "duplicate_handling", "empty_erases")


@dataclass(frozen=True, slots=True)
class Repeat:
    """The earlier import, in words for people, and what is to become of the later one."""

    handling: RepeatHandling
    of: Import
    said: str


def find(ledger: Ledger, job: Import, drop: Drop) -> Repeat | None:
    """What `drop` repeats, if its import is to be skipped or held for it; None for one that is to go on.

    A dry run, records sent over HTTP, and what somebody approved always go on.
    """
    if job.dry_run or drop.origin is Origin.HTTP or REASON in job.approved:
        return None
    before = ledger.applied_before(job)
    if before is not None and _would_change_nothing(job, drop, *before):
        of, its_drop = before
        same_name = drop.name == its_drop.name
        handling = job.on_repeated if same_name else job.on_renamed
        return _unless_imported(handling, of, f"The same bytes were imported as {of.short_id} ({its_drop.name})")
    if job.on_revised is RepeatHandling.IMPORT:
        return None
    before = ledger.applied_before(job, drop.name)
    if before is None or before[1].sha256 == drop.sha256:
        return None
    of, _ = before
    return _unless_imported(job.on_revised, of, f"A file of this name was imported as {of.short_id}, with other bytes")


def _would_change_nothing(job: Import, drop: Drop, before: Import, its_drop: Drop) -> bool:
    alike = all(getattr(job, word) == getattr(before, word) for word in _WORDS)
    return alike and before.outcome is Outcome.ACCEPTED and its_drop.sha256 == drop.sha256


def _unless_imported(handling: RepeatHandling, of: Import, said: str) -> Repeat | None:
    return None if handling is RepeatHandling.IMPORT else Repeat(handling, of, said)
