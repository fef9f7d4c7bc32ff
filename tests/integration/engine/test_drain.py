"""Worker processes: as many as there is work for; an import at work ends before they do, or is done again for free."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

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


@pytest.mark.alone
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


@pytest.mark.alone
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_workers_come_while_imports_wait_and_go_when_none_does(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workforce, "_LOOK_SECONDS", 0.05)
    settings = load(data_dir=engine.directory.root, worker={"processes": 3, "poll_seconds": 0.1})
    workers, stop = Workforce(settings, engine.rules, engine.queue), asyncio.Event()
    workers.start()
    assert workers.alive() == 1
    watching = asyncio.create_task(workers.watch(stop))
    try:
        with writing(engine.store.engine).begin():
            jobs = [engine.drop(f"{name}.csv", "external_id,label\nA,One\n") for name in ("item", "category", "remark")]
            await until(lambda: workers.alive() == 3, "a worker for each")
        await until(lambda: all(engine.job(job).status.ended for job in jobs), "the imports")
        monkeypatch.setattr(workforce, "_QUIET_SECONDS", 0.2)
        await until(lambda: workers.alive() == 1, "two of them to go")
        assert workers.wanted() == 1
    finally:
        stop.set()
        await watching
        await asyncio.to_thread(workers.stop)


@pytest.mark.alone
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_there_is_always_a_worker_for_the_next_import(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the only one dies while another, which was let go, is still at its last import."""
    monkeypatch.setattr(workforce, "_LOOK_SECONDS", 0.05)
    settings = load(data_dir=engine.directory.root, worker={"processes": 2, "poll_seconds": 0.1})
    workers, stop = Workforce(settings, engine.rules, engine.queue), asyncio.Event()
    workers.start()
    watching = asyncio.create_task(workers.watch(stop))
    try:
        with writing(engine.store.engine).begin():
            jobs = [
                engine.drop(*each)
                for each in (("remark.csv", "text\nOne\n"), ("category.csv", "external_id,label\nA,One\n"))
            ]
            await until(lambda: all(engine.job(job).status is Status.PROCESSING for job in jobs), "both to be at work")
            await until(lambda: workers.alive() == 2, "a second worker")
            monkeypatch.setattr(workforce, "_QUIET_SECONDS", 0.0)
            monkeypatch.setattr(engine.queue, "is_pressing", lambda: False)
            await until(lambda: workers.alive() == 1 and len(workers._leaving) == 1, "one to be let go")
            (last,) = workers._processes
            last.kill()
            await until(lambda: workers._processes != [last] and workers.alive() == 1, "another in its place")
    finally:
        stop.set()
        await watching
        await asyncio.to_thread(workers.stop)


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        await asyncio.sleep(0.02)


def wait_until(engine: Engine, import_id: str, status: Status) -> None:
    deadline = time.monotonic() + 30
    while engine.ledger.import_(import_id)[0].status is not status:
        assert time.monotonic() < deadline, f"the import is not {status}"
        time.sleep(0.02)
