"""What happens between two steps: a worker that is stopped for minutes, a lost commit, somebody who is faster."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlmodel import col, delete, update

from ingester import fault, recovery
from ingester.decision import Decisions
from ingester.domain.errors import TransientError
from ingester.domain.status import HoldHandling, RepeatHandling, Status
from ingester.intake import Intake
from ingester.store.database import now
from ingester.store.ledger_tables import Attempt, Drop, Import
from ingester.watch.sftp import SftpOwner
from tests.integration.engine.harness import Engine, armed, failing
from tests.report import reports

ITEMS = "external_id,label,stock\nA,Alpha,1\nB,Beta,2\n"

#: Where one database is like the other.
either = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def set_values(engine: Engine, job: Import, **values: object) -> None:
    with engine.ledger.writing() as session:
        session.exec(update(Import).where(col(Import.id) == job.id).values(**values))


def test_a_worker_that_lost_its_claim_commits_nothing(engine: Engine) -> None:
    """It was stopped for so long that its lease ran out, and somebody canceled the import meanwhile."""
    job = engine.drop("items.csv", ITEMS)

    def interfere(name: str) -> None:
        if name == "phase.preparsing":
            fault.arm(lambda _: None)
            set_values(engine, job, lease_until=now() - timedelta(minutes=5))
            assert engine.queue.recover() == [job.id]
            Decisions(engine.ledger, engine.directory, engine.store).cancel(engine.job(job), engine.drop_of(job))

    with armed(interfere):
        engine.worker().run_next()
    assert engine.rows("item") == []
    assert engine.job(job).status is Status.CANCELED
    assert engine.report(job).status["status"] == "canceled"


@either
def test_another_attempt_is_not_in_the_way_of_what_an_earlier_one_left(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)
    claim = engine.queue.claim("killed with the database")
    assert claim is not None
    left = engine.worker()._workspace(claim.job)
    # A database that crashes may forget what it was told last; the disk does not.
    set_values(engine, job, status=Status.QUEUED, attempts=0, worker=None)
    with engine.ledger.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM attempts")
    engine.work()
    assert engine.report(job).status["outcome"] == "accepted"
    assert not left.exists()


@either
def test_what_waited_behind_a_hold_is_never_told_to_wait_when_it_is_done(engine: Engine) -> None:
    engine.take("items_0.csv", ITEMS)
    first = engine.drop("items.csv", ITEMS)
    others = [engine.drop(f"items_{number}.csv", ITEMS.replace("Beta", f"B{number}")) for number in range(3)]
    hold = {"on_renamed": RepeatHandling.HOLD, "on_repeated": RepeatHandling.HOLD, "on_hold": HoldHandling.SUPERSEDE}
    set_values(engine, first, **hold)
    worker, behind = engine.worker(), engine.ledger.line_behind

    def slowly(job: Import) -> object:
        found = behind(job)
        engine.ledger.line_behind = behind  # type: ignore[method-assign]  # once is enough
        # Between this look and the writing of their status files they are imported.
        for held, drop, newer in engine.ledger.superseded():
            Decisions(engine.ledger, engine.directory).supersede(held, drop, newer)
        engine.work()
        return found

    engine.ledger.line_behind = slowly  # type: ignore[method-assign,assignment]  # stands in for a moment's delay
    worker.run_next()
    assert [engine.report(other).status["status"] for other in others] == ["completed"] * 3
    assert engine.report(first).status["reason"] == "superseded"


@either
def test_an_import_that_is_tried_again_does_not_run_beside_a_later_one_of_its_line(engine: Engine) -> None:
    failed = engine.drop("items.csv", ITEMS)
    with failing("phase.parsing", RuntimeError("power")):
        engine.work()
    later = engine.drop("items_2.csv", ITEMS)
    claim = engine.queue.claim("one")
    assert claim is not None
    assert claim.job.id == later.id
    engine.queue.retry(engine.job(failed))
    assert engine.queue.claim("two") is None


@either
def test_a_rename_right_after_the_answer_leaves_no_status_under_the_earlier_name(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = SftpOwner(engine.ledger, engine.intake, engine.router, engine.directory, timedelta(seconds=60))
    tell, renamed = Intake._tell, threading.Event()

    def late(intake: Intake, *arguments: object) -> None:
        renamed.wait(10)
        tell(intake, *arguments)  # type: ignore[arg-type]  # whatever it takes

    monkeypatch.setattr(Intake, "_tell", late)
    engine.submit("items_tmp.csv", ITEMS).result(10)
    assert owner._rename("acme", "inbox", "items_tmp.csv", "inbox", "items_final.csv")
    renamed.set()
    engine.intake.stop()
    engine.restart_intake()
    engine.work()
    (report,) = reports(engine.directory.tenant("acme").outbox)
    assert (report.status["file"]["name"], report.status["status"]) == ("items_final.csv", "completed")


@either
def test_nobody_is_told_of_a_cancellation_that_is_not_committed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = engine.drop("items.csv", ITEMS)
    engine.report(job)
    commit = engine.ledger._committing

    def lost(*arguments: object) -> object:
        monkeypatch.setattr(engine.ledger, "_committing", commit)
        raise TransientError("the connection broke")

    monkeypatch.setattr(engine.ledger, "_committing", lost)
    with pytest.raises(TransientError):
        Decisions(engine.ledger, engine.directory).cancel(engine.job(job), engine.drop_of(job))
    assert (engine.report(job).status["status"], engine.job(job).status) == ("queued", Status.QUEUED)


@either
def test_of_processes_that_live_nobody_shows_again_what_a_customer_has_read_and_deleted(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)
    with failing("phase.parsing", RuntimeError("power")):
        engine.work()
    set_values(engine, job, completed_at=now() - timedelta(hours=1))
    path = engine.report(job).path
    path.unlink()
    recovery.tell(engine.ledger, engine.store, engine.directory)
    assert not path.exists()
    set_values(engine, job, completed_at=now())
    recovery.tell(engine.ledger, engine.store, engine.directory)
    assert engine.report(job).status["status"] == "failed"


def test_what_a_process_that_died_canceled_is_told_and_put_away_by_another(engine: Engine) -> None:
    """It died between its commit and all that follows."""
    job = engine.drop("items.csv", ITEMS)
    engine.report(job)
    engine.queue.cancel(engine.job(job), "The import was canceled")
    began = time.monotonic()
    recovery.tell(engine.ledger, engine.store, engine.directory)
    assert time.monotonic() - began < 5, "one transaction waited for another of the same thread"
    assert engine.report(job).status["status"] == "canceled"
    assert engine.drop_of(job).location.startswith("tenants/acme/archive/")


@either
def test_a_hold_that_was_decided_at_once_is_not_told_of_any_more(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.take("items_0.csv", ITEMS)
    job, worker = engine.drop("items.csv", ITEMS), engine.worker()
    set_values(engine, job, on_renamed=RepeatHandling.HOLD)
    hold = worker._queue.hold

    def decided_at_once(*arguments: object, **words: object) -> bool:
        held = hold(*arguments, **words)  # type: ignore[arg-type]  # passed on
        Decisions(engine.ledger, engine.directory, engine.store).cancel(engine.job(job), engine.drop_of(job))
        return held

    monkeypatch.setattr(worker._queue, "hold", decided_at_once)
    worker.run_next()
    assert (engine.job(job).status, engine.report(job).status["status"]) == (Status.CANCELED, "canceled")


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_whether_a_commit_that_broke_was_made_is_asked_when_it_has_ended(engine: Engine) -> None:
    """A connection may break in COMMIT, and the server commit all the same: then the bytes must stay."""
    begun, go_on = threading.Event(), threading.Event()

    def server() -> None:
        with engine.ledger.writing() as session:
            session.connection()
            begun.set()
            go_on.wait(10)

    committing = threading.Thread(target=server)
    committing.start()
    begun.wait(10)
    asked = threading.Event()

    def ask() -> None:
        engine.ledger.known_drops(["some"], after_all=True)
        asked.set()

    asking = threading.Thread(target=ask)
    asking.start()
    assert not asked.wait(0.3)
    go_on.set()
    assert asked.wait(10)
    committing.join()
    asking.join()


# --- the last word stays the last ----------------------------------------------------------------------------------


def once_away(monkeypatch: pytest.MonkeyPatch, target: object, name: str) -> None:
    """The next call of a method finds its database away."""
    real = getattr(target, name)

    def away(*_: object) -> None:
        monkeypatch.setattr(target, name, real)
        raise TransientError("the database is away")

    monkeypatch.setattr(target, name, away)


def published_but_not_closed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Import:
    """An import whose reports are in the outbox, while the ledger could not be told and so tries it again."""
    job = engine.drop("items.csv", ITEMS)
    once_away(monkeypatch, engine.store, "published")
    assert engine.worker().run_next()
    assert engine.job(job).status is Status.QUEUED
    assert engine.report(job).status["status"] == "completed"
    return job


def assert_completed(engine: Engine, job: Import) -> None:
    assert engine.job(job).status is Status.COMPLETED
    told = engine.report(job).status
    assert (told["status"], told["outcome"], told["stats"]["created_count"]) == ("completed", "accepted", 2)
    assert len(engine.rows("item")) == 2


def test_an_import_that_is_told_to_start_keeps_the_report_it_has(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = published_but_not_closed(engine, monkeypatch)
    Decisions(engine.ledger, engine.directory).start(engine.job(job), engine.drop_of(job))
    assert engine.report(job).status["status"] == "completed"
    assert engine.work() == 1
    assert_completed(engine, job)


def test_a_database_that_is_away_when_it_is_asked_for_the_outcome_takes_no_report_away(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = published_but_not_closed(engine, monkeypatch)
    once_away(monkeypatch, engine.store, "outcome")
    engine.make_due()
    assert engine.worker().run_next()
    assert engine.report(job).status["status"] == "completed"
    engine.make_due()
    assert engine.work() == 1
    assert_completed(engine, job)


def test_a_ledger_that_is_older_than_its_data_finds_what_was_applied(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)
    before = engine.drop_of(job).location
    engine.work()
    with engine.ledger.writing() as session:  # as a backup from before its first attempt has it
        as_it_was = {"status": Status.QUEUED, "attempts": 0, "outcome": None, "stats": None, "completed_at": None}
        session.exec(update(Import).where(col(Import.id) == job.id).values(**as_it_was))
        session.exec(delete(Attempt))
        session.exec(update(Drop).where(col(Drop.id) == job.drop_id).values(location=before))
    assert engine.work() == 1
    assert_completed(engine, job)


def test_what_starts_behind_a_held_import_is_still_told_to_wait_for_it(engine: Engine) -> None:
    held = engine.drop("items.csv", "external_id,label\nA,Alpha\nB")
    engine.work()
    assert engine.job(held).status is Status.NEEDS_ATTENTION
    behind = engine.drop("items_2.csv", ITEMS)
    Decisions(engine.ledger, engine.directory).start(engine.job(behind), engine.drop_of(behind))
    assert engine.report(behind).status["reason"] == "waits_for_decision"
