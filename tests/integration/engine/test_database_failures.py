"""A database that goes away, or a disk that fills up, while an import runs: tried again, and rows exactly once."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, event, text, update
from sqlmodel import col

from ingester import worker
from ingester.domain.errors import TransientError
from ingester.domain.status import Action, Status
from ingester.store.database import now
from ingester.store.ledger_tables import Import
from tests.integration.engine.harness import Engine, armed
from tests.postgres import PostgresServer, conninfo, make_home
from tests.report import assert_reconciles

ITEMS = "external_id,label,stock\nA,Alpha,1\nB,Beta,x\nC,Gamma,3\n"

#: Where a database may die that has not committed the rows yet, and where they are safe.
BEFORE = ["claim.committed", "phase.transforming", "phase.processing", "outbox.written", "merge.before_commit"]
AFTER = ["merge.committed", "outbox.half_published", "archive.moved", "outbox.published"]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server for the tests of this module to kill."""
    server = PostgresServer(make_home())
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def empty(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with all tables and the tenant `acme`, to be copied."""
    server.start()
    url = server.create_database()
    engine = Engine(tmp_path_factory.mktemp("empty") / "data", database=url)
    engine.add_tenant()
    engine.close()
    return url


@pytest.fixture
def engine(server: PostgresServer, empty: str, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a database whose server may be killed."""
    server.start()
    url = server.create_database(template=empty)
    engine = Engine(tmp_path / "data", database=url)
    engine.directory.tenant("acme").create()
    yield engine
    server.start()
    engine.close()
    server.drop_database(url)


def staging_tables(engine: Engine) -> list[object]:
    with engine.store.engine.connect() as connection:
        query = "SELECT relname FROM pg_class WHERE relpersistence <> 'p' OR relname ~ '^(staging|changes|leaving)_'"
        return [name for (name,) in connection.execute(text(query))]


def assert_imported_once(engine: Engine, job: Import) -> None:
    report = engine.report(job)
    assert_reconciles(report)
    assert (report.status["outcome"], report.stats["created_count"]) == ("partial", 2)
    assert [(line["row"], line["code"]) for line in report.errors] == [("2", "invalid_type")]
    assert [row["external_id"] for row in report.rejects] == ["B"]
    assert [(row["external_id"], row["import_id"]) for row in engine.rows("item")] == [("A", job.id), ("C", job.id)]
    archive = engine.directory.tenant("acme").archive
    assert [path.read_text() for path in archive.rglob("*") if path.is_file()] == [ITEMS]
    assert engine.leftovers() == []
    assert engine.store.unpublished() == []
    assert staging_tables(engine) == []


@contextmanager
def once(point: str, action: Callable[[], None]) -> Iterator[None]:
    """Do something the first time that a fault point is passed."""
    passed: list[str] = []

    def interfere(name: str) -> None:
        passed.append(name)
        if name == point and passed.count(name) == 1:
            action()

    with armed(interfere):
        yield
    assert point in passed


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that cannot write down how an attempt ended gives up at once, as if it had died then."""
    monkeypatch.setattr(worker, "_PATIENCE_SECONDS", 0.0)


def lose_the_lease(engine: Engine, job: Import) -> None:
    with engine.ledger.writing() as session:
        session.exec(update(Import).where(col(Import.id) == job.id).values(lease_until=now() - timedelta(seconds=1)))
    engine.queue.recover()


def work_without_a_database(engine: Engine) -> None:
    """What a worker does who loses its database: it stumbles, and looks for work again later."""
    with pytest.raises(TransientError):
        engine.work()


# --- the server dies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", BEFORE)
def test_a_server_that_restarts_under_an_import_has_it_tried_again(
    engine: Engine, server: PostgresServer, point: str
) -> None:
    job = engine.drop("items.csv", ITEMS)

    def crash() -> None:
        server.kill()
        server.start()

    with once(point, crash):
        assert engine.work() == 1
    if point != "claim.committed":  # between two transactions nobody notices
        waiting = engine.job(job)
        assert (waiting.status, engine.report(job).status["status"]) == (Status.QUEUED, "queued")
        assert engine.rows("item") == []
        assert staging_tables(engine) == []
        assert engine.work() == 0, "it is not due yet"
        engine.make_due()
        assert engine.work() == 1
        assert [attempt.result for attempt in engine.ledger.attempts(job.id)] == ["retried", "completed"]
    assert_imported_once(engine, job)


def test_an_attempt_that_ends_while_the_server_is_away_is_written_down_when_it_is_back(
    engine: Engine, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PATIENCE_SECONDS", 60.0)
    job = engine.drop("items.csv", ITEMS)
    back = threading.Timer(2.0, server.start)

    def outage() -> None:
        server.kill()
        back.start()

    with once("phase.transforming", outage):
        assert engine.work() == 1
    back.join()
    engine.make_due()
    assert engine.work() == 1
    assert [attempt.result for attempt in engine.ledger.attempts(job.id)] == ["retried", "completed"]
    assert_imported_once(engine, job)


@pytest.mark.slow
@pytest.mark.parametrize("point", BEFORE)
def test_a_server_that_stays_away_has_the_import_taken_up_when_it_is_back(
    engine: Engine, server: PostgresServer, point: str
) -> None:
    job = engine.drop("items.csv", ITEMS)
    with once(point, server.kill):
        work_without_a_database(engine)
    work_without_a_database(engine)
    server.start()
    assert engine.rows("item") == []
    lose_the_lease(engine, job)
    assert engine.work() == 1
    assert_imported_once(engine, job)


@pytest.mark.slow
@pytest.mark.parametrize("point", AFTER)
def test_a_server_that_dies_after_the_commit_has_the_import_finished_not_run_again(
    engine: Engine, server: PostgresServer, point: str
) -> None:
    job = engine.drop("items.csv", ITEMS)
    with once(point, server.kill):
        work_without_a_database(engine)
    server.start()
    rows = engine.rows("item")
    assert len(rows) == 2
    lose_the_lease(engine, job)
    with armed(lambda name: pytest.fail(f"passed {name} again") if name.startswith("phase.") else None):
        assert engine.work() == 1
    assert engine.rows("item") == rows
    assert_imported_once(engine, job)


@pytest.mark.slow
@pytest.mark.parametrize("action", [Action.MERGE, Action.OVERWRITE, Action.UPDATE, Action.DELETE])
def test_whatever_an_import_does_to_stored_records_is_undone_and_done_again(
    engine: Engine, server: PostgresServer, action: Action
) -> None:
    engine.take("items.csv", "external_id,label\nA,old\nC,old\nD,old\n")
    before = engine.rows("item")
    content = "external_id\nA\n" if action is Action.DELETE else "external_id,label\nA,new\nC,old\n"
    job = engine.drop("items_2.csv", content)
    with engine.ledger.writing() as session:
        session.exec(update(Import).where(col(Import.id) == job.id).values(action=action))

    def crash() -> None:
        server.kill()
        server.start()
        assert engine.rows("item") == before

    with once("phase.cleanup", crash):
        engine.work()
    engine.make_due()
    engine.work()
    assert_reconciles(engine.report(job))
    labels = {row["external_id"]: row["label"] for row in engine.rows("item")}
    assert (
        labels
        == {
            Action.MERGE: {"A": "new", "C": "old", "D": "old"},
            Action.UPDATE: {"A": "new", "C": "old", "D": "old"},
            Action.OVERWRITE: {"A": "new", "C": "old"},
            Action.DELETE: {"C": "old", "D": "old"},
        }[action]
    )
    assert staging_tables(engine) == []


def test_a_restart_between_two_imports_goes_unnoticed(engine: Engine, server: PostgresServer) -> None:
    first = engine.drop("items.csv", ITEMS)
    engine.work()
    server.restart()
    second = engine.drop("items_2.csv", "external_id,label\nD,d\n")
    server.restart()
    assert engine.work() == 1
    for job in (first, second):
        assert [attempt.result for attempt in engine.ledger.attempts(job.id)] == ["completed"]
    assert [row["external_id"] for row in engine.rows("item")] == ["A", "C", "D"]


def test_a_server_that_is_down_costs_a_waiting_import_no_attempt(engine: Engine, server: PostgresServer) -> None:
    job = engine.drop("items.csv", ITEMS)
    server.stop()
    for _ in range(3):
        work_without_a_database(engine)
    server.start()
    assert engine.work() == 1
    assert [attempt.result for attempt in engine.ledger.attempts(job.id)] == ["completed"]
    assert_imported_once(engine, job)


def test_an_upload_is_not_acknowledged_while_the_server_is_down(engine: Engine, server: PostgresServer) -> None:
    server.stop()
    landing = engine.submit("items.csv", ITEMS)
    with pytest.raises(TransientError):
        landing.result(30)
    server.start()
    engine.crash()
    assert engine.ledger.imports() == []
    assert engine.leftovers() == []
    job = engine.drop("items.csv", ITEMS)
    engine.work()
    assert_imported_once(engine, job)


def test_an_administrator_who_ends_its_session_has_the_import_tried_again(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)

    def end_sessions() -> None:
        other = create_engine(engine.database or "")
        with other.connect() as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            connection.execute(text(f"{ended} AND pid <> pg_backend_pid()"))
        other.dispose()

    with once("phase.processing", end_sessions):
        engine.work()
    assert engine.job(job).status is Status.QUEUED
    engine.make_due()
    engine.work()
    assert_imported_once(engine, job)


@pytest.mark.parametrize("limit", ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"])
def test_limits_meant_for_short_sessions_do_not_bind_an_import(engine: Engine, limit: str) -> None:
    with engine.store.engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE \"{connection.engine.url.database}\" SET {limit} = '1ms'"))
    engine.store.engine.dispose()
    engine.ledger.engine.dispose()
    job = engine.drop("items.csv", ITEMS)
    with once("phase.processing", lambda: time.sleep(0.05)):
        engine.work()
    assert [attempt.result for attempt in engine.ledger.attempts(job.id)] == ["completed"]
    assert_imported_once(engine, job)


@pytest.mark.parametrize(
    "trouble",
    [
        "SET LOCAL statement_timeout = '1ms'; SELECT pg_sleep(0.1)",
        "SET LOCAL transaction_timeout = '1ms'; SELECT pg_sleep(0.1)",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'serialization_failure'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'out_of_memory'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$",
    ],
    ids=lambda trouble: trouble.partition("'")[2].partition("'")[0] if "DO" in trouble else trouble.split()[2],
)
def test_trouble_of_the_moment_has_the_import_tried_again(engine: Engine, trouble: str) -> None:
    job = engine.drop("items.csv", ITEMS)
    with once("phase.preparsing", lambda: event.listen(engine.store.engine, "begin", _spoil(trouble), once=True)):
        engine.work()
    assert engine.job(job).status is Status.QUEUED
    engine.make_due()
    engine.work()
    assert_imported_once(engine, job)


def _spoil(trouble: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        for statement in trouble.split("; ") if "DO" not in trouble else [trouble]:
            connection.exec_driver_sql(statement)

    return begin


def test_a_failed_import_and_a_successful_one_leave_no_staging_table(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)

    def fail() -> None:
        raise RuntimeError("boom")

    for point in ("phase.processing", "phase.cleanup", "merge.before_commit"):
        with once(point, fail):
            report = engine.take("items.csv", "external_id,label\nA,new\n", action=Action.OVERWRITE)
        assert report.status["reason"] == "internal_error"
        assert staging_tables(engine) == []
    report = engine.take("items.csv", "external_id,label\nA,new\n", action=Action.OVERWRITE, dry_run=True)
    assert report.stats["removed_count"] == 1
    assert staging_tables(engine) == []


# --- what a database refuses -----------------------------------------------------------------------------------------


def test_a_value_that_is_taken_is_an_error_of_its_row_not_of_the_import(engine: Engine) -> None:
    """Also where the database itself has been told that the column is unique."""
    with engine.store.engine.begin() as connection:
        connection.execute(text('CREATE UNIQUE INDEX one_sku ON "shop__item" (tenant_id, source, sku)'))
    engine.take("items.csv", "external_id,label,sku\nA,a,s1\nB,b,s2\n")
    report = engine.take("items.csv", "external_id,label,sku\nC,c,s1\nD,d,s3\nE,e,s3\nF,f,s4\n")
    assert [(line["row"], line["code"]) for line in report.errors] == [
        ("1", "value_taken"),
        ("2", "not_unique"),
        ("3", "not_unique"),
    ]
    assert_reconciles(report)
    assert [row["external_id"] for row in engine.rows("item")] == ["A", "B", "F"]


# --- a disk that is full ---------------------------------------------------------------------------------------------

MANY = "external_id,label,category_external_id,notes\n" + "".join(
    f"k{number:05},{'x' * 60}{number},,{'n' * 60}\n" if number % 10 else f"k{number:05},,,\n" for number in range(8_000)
)


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A disk of its own, whose size can be changed; only root may have one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")

    def resize(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def assert_all_of_many(engine: Engine, job: Import) -> None:
    report = engine.report(job)
    assert_reconciles(report)
    assert (report.stats["created_count"], report.stats["error_rows"]) == (7_200, 800)
    assert len(report.rejects) == 800
    assert engine.select('SELECT count(*) AS n, count(DISTINCT external_id) AS d FROM "shop__item"') == [
        {"n": 7_200, "d": 7_200}
    ]
    assert engine.leftovers() == []


def test_a_full_database_has_the_import_tried_again_and_nothing_half_done(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "data")
    engine.add_tenant()
    with engine.store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    limit = [pages + 20]
    event.listen(
        engine.store.engine,
        "begin",
        lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {limit[0]}"),
    )
    job = engine.drop("items.csv", MANY)
    assert engine.work() == 1
    assert (engine.job(job).status, engine.rows("item")) == (Status.QUEUED, [])
    assert "disk is full" in (engine.ledger.attempts(job.id)[0].error or "")
    limit[0] = 1 << 30
    engine.make_due()
    engine.work()
    assert_all_of_many(engine, job)
    engine.close()


def test_a_postgres_whose_disk_is_full_has_the_import_tried_again(server: PostgresServer, tmp_path: Path) -> None:
    server.start()
    folder = make_home()
    with disk(folder, "100m") as resize, administrator(server) as administer:
        shutil.chown(folder, "nobody")
        administer(f"CREATE TABLESPACE small LOCATION '{folder}'")
        administer("CREATE DATABASE on_small TABLESPACE small")
        engine = Engine(tmp_path / "data", database=server.url("on_small"))
        engine.add_tenant()
        job = engine.drop("items.csv", MANY)
        before = os.statvfs(folder)
        resize(f"{(before.f_blocks - before.f_bavail) * before.f_frsize // 1024 + 500}k")
        # The ledger is on that disk, too, so that even the end of the attempt may not be noted.
        with contextlib.suppress(TransientError):
            assert engine.work() == 1
        assert engine.job(job).status in (Status.QUEUED, Status.PROCESSING)
        assert engine.store.outcome(job.id) is None
        resize("100m")
        assert (engine.rows("item"), staging_tables(engine)) == ([], [])
        engine.crash()
        engine.make_due()
        engine.work()
        assert_all_of_many(engine, job)
        engine.close()
        server.drop_database(server.url("on_small"))
        administer("DROP TABLESPACE small")
    folder.rmdir()


@contextmanager
def administrator(server: PostgresServer) -> Iterator[Callable[[str], None]]:
    with psycopg.connect(conninfo(server.url("postgres")), autocommit=True) as connection:
        yield lambda statement: connection.execute(statement.encode()) and None


@pytest.mark.parametrize("left", [0, 4, 40, 400, 1_200, 1_800, 2_400])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_full_disk_has_the_import_tried_again_wherever_it_was(
    request: pytest.FixtureRequest, tmp_path: Path, left: int, kind: str
) -> None:
    """It is full at one step of the import or another, depending on how many KiB are left for it."""
    database = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    root = tmp_path / "data"
    with disk(root, "30m"):
        engine = Engine(root, database=database)
        engine.add_tenant()
        job = engine.drop("items.csv", MANY)
        engine.report(job)  # its status is shown: nobody writes any more
        room, filler = os.statvfs(root), root / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            file.write(bytes(room.f_bavail * room.f_frsize - left * 1024))
        # SQLite's ledger is on that disk, too, so that even the end of the attempt may not be noted.
        with contextlib.suppress(TransientError):
            assert engine.work() == 1
        status = engine.job(job).status
        assert status in (Status.QUEUED, Status.PROCESSING, Status.COMPLETED), engine.ledger.attempts(job.id)
        if status is Status.QUEUED:
            assert engine.rows("item") == []
        filler.unlink()
        engine.crash()
        engine.make_due()
        engine.work()
        assert_all_of_many(engine, job)
        engine.close()
