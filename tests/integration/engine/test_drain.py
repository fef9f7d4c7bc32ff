"""Stopping the worker processes: an import at work ends first, or is done again at no cost to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ingester import workforce
from ingester.domain.status import Status
from ingester.settings import load
from ingester.store.database import writing
from ingester.workforce import Workforce
from tests.integration.engine.harness import Engine


@pytest.fixture
def workers(engine: Engine) -> Iterator[Workforce]:
    """One worker process of its own, started."""
    settings = load(
        data_dir=engine.directory.root, database_url=engine.database or "", worker={"processes": 1, "poll_seconds": 0.1}
    )
    found = Workforce(settings, engine.rules, engine.queue)
    found.start()
    yield found
    found.stop()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_worker_told_to_stop_ends_its_import_unless_that_takes_too_long(
    engine: Engine, workers: Workforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = engine.drop("suppliers.csv", "external_id,name\nS1,One\n")
    # Nobody else can write records meanwhile, so that the import takes as long as this test likes.
    with writing(engine.store.engine).begin():
        wait_until(engine, job.id, Status.PROCESSING)
        monkeypatch.setattr(workforce, "_DRAIN_SECONDS", 0.3)
        workers.stop()
    assert engine.job(job).status is Status.QUEUED
    (attempt,) = engine.ledger.attempts(job.id)
    assert attempt.result == "interrupted", "it was not the import that killed its worker"

    monkeypatch.undo()
    with writing(engine.store.engine).begin():
        workers.start()
        wait_until(engine, job.id, Status.PROCESSING)
        stopping = threading.Thread(target=workers.stop)
        stopping.start()
        time.sleep(0.2)
        assert stopping.is_alive()
    stopping.join(30)
    assert engine.job(job).status is Status.COMPLETED


def wait_until(engine: Engine, import_id: str, status: Status) -> None:
    deadline = time.monotonic() + 30
    while engine.ledger.import_(import_id)[0].status is not status:
        assert time.monotonic() < deadline, f"the import is not {status}"
        time.sleep(0.02)
