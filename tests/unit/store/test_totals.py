"""Running totals: each end of an import is counted once, with what became of its rows."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select

from ingester.domain.status import Origin, Outcome, Status
from ingester.queue import Claim, Queue
from ingester.store import totals
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import, Total
from ingester.store.tenant import Tenants
from ingester.store.totals import Count

STATS: dict[str, int | None] = {
    "total_rows": 10, "valid_rows": 7, "error_rows": 2, "duplicate_rows": 1,
    "created_count": 4, "updated_count": 2, "skipped_count": 1, "deleted_count": 0, "removed_count": 3,
}  # fmt: skip
ROWS = {"created": 4, "updated": 2, "skipped": 1, "removed": 3, "error": 2, "duplicate": 1}


#: Where one database is like the other.
either = pytest.mark.parametrize("any_ledger", ["sqlite"], indirect=True)


@pytest.fixture
def ledger(any_ledger: Ledger) -> Ledger:
    Tenants(any_ledger).add("acme", ["shop"])
    return any_ledger


def land(ledger: Ledger, name: str = "a", **values: object) -> Import:
    at = now()
    drop = Drop(
        id=name, tenant="acme", origin=Origin.SFTP, name=name, size=100, sha256="", location=name,
        shown_folder="", shown_name=name, landed_at=at,
    )  # fmt: skip
    job = Import(
        id=name, short_id=name, tenant="acme", drop_id=name, catalogue="shop", due_at=at, created_at=at,
        **{"entity": name, "status": Status.QUEUED, **values},
    )  # fmt: skip
    ledger.land([(drop, job)])
    return ledger.import_(name)[0]


def claim(ledger: Ledger) -> Claim:
    found = Queue(ledger).claim("w")
    assert found is not None
    return found


def counted(ledger: Ledger, count: Count) -> dict[str, int]:
    with ledger.reading() as session:
        return {row.label: row.value for row in session.exec(select(Total).where(Total.name == count))}


def test_a_drop_is_counted_as_it_lands(ledger: Ledger) -> None:
    land(ledger, "a")
    land(ledger, "b")
    assert counted(ledger, Count.DROPS) == {"sftp": 2}
    assert counted(ledger, Count.DROP_BYTES) == {"sftp": 200}
    assert counted(ledger, Count.IMPORTS) == {}


@either
def test_a_drop_that_nobody_knows_ends_as_it_lands(ledger: Ledger) -> None:
    land(ledger, status=Status.FAILED, entity=None)
    assert counted(ledger, Count.IMPORTS) == {"failed": 1}


def test_a_completed_import_is_counted_once_whoever_reports_it_and_however_often(ledger: Ledger) -> None:
    land(ledger)
    queue, slow = Queue(ledger), claim(ledger).job
    queue.recover(everything=True)
    quick = claim(ledger).job
    for job in (quick, slow, quick):
        queue.complete(job, Outcome.PARTIAL, location="archive", stats=STATS, phase_seconds={"parsing": 0.02})
    assert counted(ledger, Count.IMPORTS) == {"completed.partial": 1}
    assert counted(ledger, Count.ROWS) == ROWS
    assert counted(ledger, Count.ATTEMPTS) == {"completed": 1, "interrupted": 1}
    assert counted(ledger, Count.PHASE_TIMES) == {"parsing<=0.03": 1}
    assert counted(ledger, Count.PHASE_MICROSECONDS) == {"parsing": 20_000}


def test_totals_of_several_imports_add_up(ledger: Ledger) -> None:
    for name in "ab":
        land(ledger, name)
        Queue(ledger).complete(
            claim(ledger).job, Outcome.PARTIAL, location="archive", stats=STATS, phase_seconds={"parsing": 2000.0}
        )
    assert counted(ledger, Count.ROWS) == {label: 2 * rows for label, rows in ROWS.items()}
    assert counted(ledger, Count.PHASE_TIMES) == {"parsing<=inf": 2}


@either
def test_a_dry_run_is_an_import_but_does_nothing_with_rows(ledger: Ledger) -> None:
    land(ledger, dry_run=True)
    Queue(ledger).complete(claim(ledger).job, Outcome.PARTIAL, location="archive", stats=STATS)
    assert counted(ledger, Count.IMPORTS) == {"completed.partial": 1}
    assert counted(ledger, Count.ROWS) == {}


@either
def test_an_import_that_fails_and_is_retried_ends_twice(ledger: Ledger) -> None:
    land(ledger)
    queue = Queue(ledger)
    queue.fail(claim(ledger).job, reason="internal_error", message="m", location="q")
    queue.retry(ledger.import_("a")[0])
    queue.complete(claim(ledger).job, Outcome.ACCEPTED, location="archive")
    assert counted(ledger, Count.IMPORTS) == {"failed": 1, "completed.accepted": 1}
    assert counted(ledger, Count.ATTEMPTS) == {"failed": 1, "completed": 1}


@either
def test_holds_and_retries_end_attempts_and_a_cancel_ends_the_import(ledger: Ledger) -> None:
    land(ledger)
    queue = Queue(ledger)
    queue.hold(claim(ledger).job, reason="mass_removal", message="m")
    assert counted(ledger, Count.IMPORTS) == {}
    queue.cancel(ledger.import_("a")[0], "no")
    assert counted(ledger, Count.IMPORTS) == {"canceled": 1}
    assert counted(ledger, Count.ATTEMPTS) == {"held": 1}


@either
def test_an_attempt_that_lost_its_claim_counts_for_nothing(ledger: Ledger) -> None:
    land(ledger)
    queue, lost = Queue(ledger), claim(ledger).job
    queue.recover(process=None, everything=True)
    assert not queue.fail(lost, reason="internal_error", message="m", location="q")
    assert counted(ledger, Count.IMPORTS) == {}


@either
def test_a_rename_that_makes_a_file_unknown_ends_its_import_once(ledger: Ledger) -> None:
    job = land(ledger)
    drop = ledger.import_("a")[1]
    for was in (Status.QUEUED, Status.FAILED):
        job.status = Status.FAILED
        assert ledger.reroute(job, drop, was)
    assert counted(ledger, Count.IMPORTS) == {"failed": 1}


@either
def test_what_is_not_committed_is_not_counted(ledger: Ledger) -> None:
    class Crash(Exception):
        pass

    def add_and_crash(session: Session) -> None:
        totals.add(session, totals.of_attempt("completed"))
        raise Crash

    with pytest.raises(Crash), ledger.writing() as session:
        add_and_crash(session)
    assert counted(ledger, Count.ATTEMPTS) == {}
