"""Running totals in the ledger: what was counted stays counted, although imports are purged one day.

Each is added in the transaction that makes it true, so that an import is counted once, however many workers tried it
and whoever reports its end. Whole numbers only: sums of them are exact. No customer's totals are anybody else's row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeAlias

from sqlalchemy import text
from sqlmodel import Session

from ingester.domain.status import Outcome, Status
from ingester.store.ledger_tables import Drop, Import


class Count(StrEnum):
    """What is counted. The words in brackets are a total's label."""

    #: Landed files [origin].
    DROPS = "drops"
    #: Bytes of landed files [origin].
    DROP_BYTES = "drop_bytes"
    #: Ends of imports [status, or `completed.outcome`]. One that failed, was retried and completed ended twice.
    IMPORTS = "imports"
    #: Rows of completed imports but dry runs [what became of them].
    ROWS = "rows"
    #: Ends of attempts [result], of all tenants.
    ATTEMPTS = "attempts"
    #: Microseconds that a phase took [phase], of all tenants.
    PHASE_MICROSECONDS = "phase_microseconds"
    #: Times that a phase took no longer than a bound, and longer than the next lower one [`phase<=seconds`].
    PHASE_TIMES = "phase_times"


#: (tenant, what is counted, label) → how much to add.
Tally: TypeAlias = Counter[tuple[str, Count, str]]

#: Stands for a tenant where a total is of all of them.
EVERYBODY = ""
#: Upper bounds of the classes by which the times of phases are counted, in seconds; the last class has none.
PHASE_BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_NO_BOUND = "inf"

#: What becomes of a row, and the count of the status file that says so.
ROWS = {
    "created": "created_count",
    "updated": "updated_count",
    "skipped": "skipped_count",
    "deleted": "deleted_count",
    "removed": "removed_count",
    "error": "error_rows",
    "duplicate": "duplicate_rows",
}

_ADD = text(
    "INSERT INTO totals (tenant, name, label, value) VALUES (:tenant, :name, :label, :value) "
    "ON CONFLICT (tenant, name, label) DO UPDATE SET value = totals.value + excluded.value"
)


def add(session: Session, tally: Tally) -> None:
    """Add to the totals, in the transaction of what is counted."""
    # In one order: whatever else writes, two transactions never wait for each other.
    rows = [
        {"tenant": tenant, "name": name.value, "label": label, "value": value}
        for (tenant, name, label), value in sorted(tally.items())
        if value
    ]
    if rows:
        session.connection().execute(_ADD, rows)


def of_landing(landed: Iterable[tuple[Drop, Import]]) -> Tally:
    """Files that landed; imports that ended by that, since nobody knows what they are."""
    tally: Tally = Counter()
    for drop, job in landed:
        tally[drop.tenant, Count.DROPS, drop.origin] += 1
        tally[drop.tenant, Count.DROP_BYTES, drop.origin] += drop.size
        tally += of_end(job.tenant, job.status)
    return tally


def of_end(tenant: str, status: Status, outcome: Outcome | None = None) -> Tally:
    """An import's end; nothing if the status is none."""
    if not status.ended:
        return Counter()
    return Counter({(tenant, Count.IMPORTS, f"{status}.{outcome}" if outcome else status.value): 1})


def of_attempt(result: str) -> Tally:
    """The end of an attempt."""
    return Counter({(EVERYBODY, Count.ATTEMPTS, result): 1})


def of_rows(job: Import, stats: Mapping[str, int | None] | None) -> Tally:
    """What became of an import's rows; a dry run did nothing with them."""
    if stats is None or job.dry_run:
        return Counter()
    return Counter({(job.tenant, Count.ROWS, label): stats.get(key) or 0 for label, key in ROWS.items()})


def of_phases(seconds: Mapping[str, float] | None) -> Tally:
    """How long the phases of an import took, by name."""
    tally: Tally = Counter()
    for phase, took in (seconds or {}).items():
        bound = next((bound for bound in PHASE_BOUNDS if took <= bound), _NO_BOUND)
        tally[EVERYBODY, Count.PHASE_MICROSECONDS, phase] += round(took * 1e6)
        tally[EVERYBODY, Count.PHASE_TIMES, f"{phase}<={bound}"] += 1
    return tally
