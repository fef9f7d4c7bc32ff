"""What goes wrong on our side: never a row without its import, never an import without its end, never a word leaked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from ingester import fault
from ingester.domain.errors import TransientError
from ingester.domain.status import Status
from ingester.settings import WorkerSettings
from ingester.store.database import now
from ingester.store.ledger_tables import Import
from tests.integration.engine.harness import Engine, armed, failing
from tests.report import assert_reconciles, reports

ITEMS = "external_id,label,stock\nA,Alpha,1\nB,Beta,x\n"

#: Points at which nothing is committed yet.
BEFORE = [*(point for point in fault.POINTS if point.startswith("phase.")), "outbox.written", "merge.before_commit"]
#: Points at which the rows are in the database.
AFTER = ["outbox.half_published", "archive.moved", "outbox.published", "ledger.completed"]


def assert_imported_once(engine: Engine, job: Import) -> None:
    report = engine.report(job)
    assert_reconciles(report)
    assert (report.status["outcome"], report.stats["created_count"]) == ("partial", 1)
    assert [row["external_id"] for row in engine.rows("item")] == ["A"]
    assert [line["code"] for line in report.errors] == ["invalid_type"]
    assert [row["external_id"] for row in report.rejects] == ["B"]
    archive = engine.directory.tenant("acme").archive
    assert [path.read_text() for path in archive.rglob("*") if path.is_file()] == [ITEMS]
    assert engine.leftovers() == []
    assert engine.store.unpublished() == []


@pytest.mark.parametrize("point", BEFORE)
def test_an_internal_error_fails_the_import_and_a_retry_finishes_it(engine: Engine, point: str) -> None:
    job = engine.drop("items.csv", ITEMS)
    with failing(point, RuntimeError("the password is hunter2")):
        engine.work()
    status = engine.report(job)
    assert (status.status["status"], status.status["reason"]) == ("failed", "internal_error")
    assert f"{job.short_id}.1" in status.status["message"]
    everything = "".join(path.read_text() for path in engine.directory.tenant("acme").outbox.iterdir())
    assert "hunter2" not in everything
    assert "RuntimeError" not in everything
    assert "hunter2" not in (engine.job(job).message or "")
    (attempt,) = engine.ledger.attempts(job.id)
    assert (attempt.result, attempt.error) == ("failed", "RuntimeError('the password is hunter2')")
    assert engine.rows("item") == []
    assert engine.store.outcome(job.id) is None
    drop = engine.drop_of(job)
    assert (engine.directory.root / drop.location).read_text() == ITEMS
    assert drop.location.startswith("spool/quarantine/")
    assert engine.leftovers() == []

    engine.decisions.retry(engine.job(job), engine.drop_of(job))
    assert engine.report(job).status["status"] == "queued"
    engine.work()
    assert_imported_once(engine, job)
    assert list(engine.directory.quarantine.iterdir()) == []


@pytest.mark.parametrize(
    "error", [TransientError("busy"), OSError(28, "No space left on device")], ids=["busy database", "full disk"]
)
@pytest.mark.parametrize("point", ["phase.prevalidation", "phase.processing", "merge.before_commit"])
def test_what_may_pass_is_tried_again_later_and_later(engine: Engine, point: str, error: Exception) -> None:
    job = engine.drop("items.csv", ITEMS)
    delays = []
    with failing(point, error, times=2):
        for _ in range(2):
            assert engine.work() == 1
            waiting = engine.job(job)
            assert waiting.status is Status.QUEUED
            assert engine.report(job).status["status"] == "queued"
            delays.append(waiting.due_at - now())
            assert engine.work() == 0, "it is not due yet"
            engine.make_due()
        assert engine.work() == 1
    assert timedelta(seconds=1) < delays[0] < delays[1]
    assert [attempt.result for attempt in engine.ledger.attempts(job.id)] == ["retried", "retried", "completed"]
    assert_imported_once(engine, job)


@pytest.mark.parametrize("point", AFTER)
def test_an_applied_import_that_cannot_be_published_is_finished_later_without_being_run_again(
    engine: Engine, point: str
) -> None:
    job = engine.drop("items.csv", ITEMS)
    with failing(point, OSError(28, "No space left on device")):
        engine.work()
    rows = engine.rows("item")
    assert [row["external_id"] for row in rows] == ["A"]
    engine.make_due()
    with armed(lambda name: pytest.fail(f"passed {name} again") if name.startswith("phase.") else None):
        engine.work()
    assert engine.rows("item") == rows
    assert_imported_once(engine, job)


def test_a_customer_who_takes_the_reports_at_once_does_not_disturb_publishing(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)
    with failing("archive.moved", OSError(5, "Input/output error")):
        engine.work()
    for path in engine.directory.tenant("acme").outbox.glob("*.csv"):
        path.unlink()
    engine.make_due()
    engine.work()
    report = engine.report(job)
    assert (report.status["status"], report.errors) == ("completed", [])


def test_an_import_that_kills_its_workers_ends_in_quarantine(engine: Engine) -> None:
    engine.settings = WorkerSettings(max_attempts=3)
    poison = engine.drop("items.csv", ITEMS)
    for _ in range(3):
        assert engine.queue.claim("a worker that dies") is not None
        lose_the_lease(engine, poison)
    behind = engine.drop("items_2.csv", ITEMS)
    engine.work()
    status = engine.report(poison).status
    assert (status["status"], status["reason"]) == ("failed", "attempts_exhausted")
    assert engine.report(behind).status["status"] == "completed"
    results = [attempt.result for attempt in engine.ledger.attempts(poison.id)]
    assert results == ["lost", "lost", "lost", "failed"]
    # Whoever retries it gives it as many attempts again.
    engine.decisions.retry(engine.job(poison), engine.drop_of(poison))
    for _ in range(2):
        assert engine.queue.claim("a worker that dies") is not None
        lose_the_lease(engine, poison)
    engine.work()
    assert engine.report(poison).status["status"] == "completed"


def test_a_drop_whose_bytes_are_gone_fails_and_says_so(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)
    (engine.directory.root / engine.drop_of(job).location).unlink()
    engine.work()
    assert engine.report(job).status["reason"] == "drop_missing"


# --- a worker that is thought dead -----------------------------------------------------------------------------------


def lose_the_lease(engine: Engine, job: Import) -> None:
    with engine.ledger.writing() as session:
        session.exec(update(Import).where(Import.id == job.id).values(lease_until=now() - timedelta(seconds=1)))
    assert engine.queue.recover() == [job.id]


@pytest.mark.parametrize("point", ["phase.prevalidation", "phase.processing", "outbox.written"])
@pytest.mark.parametrize("error", [None, RuntimeError("boom"), TransientError("busy")], ids=["works", "fails", "waits"])
def test_a_worker_that_lost_its_claim_changes_nothing_that_its_successor_did(
    engine: Engine, point: str, error: Exception | None
) -> None:
    job = engine.drop("items.csv", ITEMS)
    taken_over: list[str] = []

    def stall(name: str) -> None:
        if name == point and not taken_over:
            taken_over.append(name)
            lose_the_lease(engine, job)
            if point == "phase.prevalidation":
                # No transaction is open yet: another worker can do it all meanwhile.
                assert engine.worker().run_next()
            if error is not None:
                raise error

    with armed(stall):
        engine.work()
    engine.make_due()
    engine.work()
    assert taken_over
    assert_imported_once(engine, job)
    assert engine.job(job).status is Status.COMPLETED
    assert len(reports(engine.directory.tenant("acme").outbox)) == 1


# --- start-up --------------------------------------------------------------------------------------------------------


def test_start_up_removes_what_nobody_was_told_of_and_keeps_what_somebody_was(engine: Engine) -> None:
    kept = engine.drop("items.csv", ITEMS)
    failed = engine.drop("mystery.csv", "x")
    for folder in (engine.directory.incoming, engine.directory.drops, engine.directory.quarantine):
        (folder / "0000").write_text("unrecorded")
    (engine.directory.work / "some.1").mkdir()
    (engine.directory.work / "some.1" / "rows.arrow").write_text("half")
    (engine.directory.work / "some.status").write_text("half")
    engine.crash()
    assert engine.leftovers() == [engine.drop_of(kept).location]
    assert [path.name for path in engine.directory.quarantine.iterdir()] == [engine.drop_of(failed).id]


def test_start_up_queues_again_what_was_running_and_tells_what_nobody_was_told(engine: Engine) -> None:
    running, waiting = engine.drop("items.csv", ITEMS), engine.drop("remarks.csv", "text\nx\n")
    failed = engine.drop("mystery.csv", "x")
    assert engine.queue.claim("a worker that dies") is not None
    for path in engine.directory.tenant("acme").outbox.iterdir():
        path.unlink()
    engine.directory.announcement.write_text("{}")  # as a service leaves it that did not end well
    engine.crash()
    told = {each.status["id"]: each.status["status"] for each in reports(engine.directory.tenant("acme").outbox)}
    assert told == {running.id: "queued", waiting.id: "queued", failed.id: "failed"}
    engine.work()
    assert engine.report(running).status["status"] == "completed"


def test_starting_up_twice_changes_nothing(engine: Engine) -> None:
    engine.drop("items.csv", ITEMS)
    engine.drop("mystery.csv", "x")
    engine.take("remarks.csv", "text\nx\n")
    engine.crash()
    root = engine.directory.root
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and ".db" not in path.name}
    engine.crash()
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and ".db" not in path.name}
    assert after == before
