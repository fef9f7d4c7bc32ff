"""When imports start and end by the clock: windows, superseded holds, time limits, and who runs the clock."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, update

from ingester.domain.errors import ConfigurationError
from ingester.domain.status import HoldHandling, RepeatHandling, Status
from ingester.feed import declare
from ingester.queue import Queue
from ingester.recovery import refuse_strangers
from ingester.schedule.clock import Clock
from ingester.store.database import now
from ingester.store.ledger_tables import Import
from ingester.store.tenant import Tenants
from tests.integration.engine.harness import Engine

ITEMS = "external_id,label\nA,Alpha\n"
CUT_OFF = "external_id,label\nA,Alpha\nB"


def add_feed(engine: Engine, **words: object) -> None:
    tenants = Tenants(engine.ledger)
    feed = declare(name="crm", entity="item", pattern="items*", **words).feed(tenants.get("acme"), engine.rules)
    tenants.add_feed(feed)


def clock(engine: Engine) -> Clock:
    return Clock(engine.ledger, engine.directory, timedelta(seconds=60))


def test_a_drop_waits_for_its_feeds_window_and_is_imported_then(engine: Engine) -> None:
    add_feed(engine, schedule="30 2 * * *")
    landed = engine.drop("items.csv", ITEMS)
    assert engine.work() == 0
    job = engine.job(landed)
    assert (job.due_at.hour, job.due_at.minute) == (2, 30)
    assert timedelta() < job.due_at - datetime.now(UTC) <= timedelta(days=1)
    claim = Queue(engine.ledger).claim("night", job.due_at + timedelta(seconds=1))
    assert claim is not None
    assert claim.job.id == job.id


def test_a_dry_run_waits_for_no_window(engine: Engine) -> None:
    add_feed(engine, schedule="30 2 * * *", settle_seconds=600)
    job = engine.drop("items.csv", ITEMS, folder="validate")
    engine.work()
    assert engine.job(job).status is Status.COMPLETED


def test_a_newer_drop_takes_the_place_of_a_held_one_where_its_feed_says_so(engine: Engine) -> None:
    add_feed(engine, on_hold=HoldHandling.SUPERSEDE, on_revised=RepeatHandling.IMPORT)
    held = engine.drop("items_1.csv", CUT_OFF)
    engine.work()
    assert engine.job(held).status is Status.NEEDS_ATTENTION
    clock(engine).supersede()
    assert engine.job(held).status is Status.NEEDS_ATTENTION, "nothing newer has come"
    newer = engine.drop("items_2.csv", ITEMS)
    assert engine.work() == 0
    clock(engine).supersede()
    engine.work()
    ended = engine.report(held).status
    assert (ended["status"], ended["reason"]) == ("canceled", "superseded")
    assert "items_2.csv" in ended["message"]
    assert engine.report(newer).status["outcome"] == "accepted"
    assert engine.directory.drop_file(held.drop_id, engine.drop_of(held).location).read_text() == CUT_OFF


def test_a_held_drop_keeps_its_line_waiting_where_its_feed_says_nothing(engine: Engine) -> None:
    add_feed(engine)
    held = engine.drop("items_1.csv", CUT_OFF)
    engine.work()
    engine.drop("items_2.csv", ITEMS)
    clock(engine).supersede()
    assert engine.work() == 0
    assert engine.job(held).status is Status.NEEDS_ATTENTION


OVERRUN = """
    import os, sys, time
    from ingester import fault
    from ingester.ruleset.shipped import in_force
    from ingester.directory import DataDirectory
    from ingester.settings import WorkerSettings
    from ingester.store.datastore import DataStore
    from ingester.store.ledger import Ledger
    from ingester.worker import Worker
    from pathlib import Path

    ledger, data, root, rules, point = sys.argv[1:]
    fault.arm(lambda name: time.sleep(60) if name == point else None)
    worker = Worker(Ledger.open(ledger), DataStore.open(data), in_force([Path(rules)]), DataDirectory(Path(root)),
                    WorkerSettings(time_limit_seconds=3600))
    worker.run_next()
"""


@pytest.mark.parametrize("point", ["phase.validation", "merge.committed"])
def test_an_import_that_takes_too_long_is_given_up_and_changed_nothing_unless_it_is_applied(
    engine: Engine, point: str, tmp_path: Path
) -> None:
    job = engine.drop("items.csv", ITEMS)
    with engine.ledger.writing() as session:
        session.exec(update(Import).where(col(Import.id) == job.id).values(time_limit_seconds=1))
    program = tmp_path / "slow.py"
    program.write_text(textwrap.dedent(OVERRUN))
    urls = [each.url.render_as_string(hide_password=False) for each in (engine.ledger.engine, engine.store.engine)]
    rules = Path(__file__).parent / "shop"
    ended = subprocess.run(
        [sys.executable, program, *urls, engine.directory.root, rules, point], capture_output=True, timeout=60
    )
    assert ended.returncode == 75, ended.stderr.decode()
    # The worker is dead; its lease is over some time later.
    with engine.ledger.writing() as session:
        session.exec(update(Import).values(lease_until=now() - timedelta(seconds=1)))
    clock(engine).recover()
    engine.work()
    report = engine.report(job).status
    if point == "merge.committed":
        assert report["outcome"] == "accepted"
        return
    assert (report["status"], report["reason"]) == ("timed_out", "timed_out")
    assert "1s" in report["message"]
    assert engine.rows("item") == []
    assert engine.drop_of(job).location.startswith("spool/quarantine/")
    with engine.ledger.writing() as session:
        session.exec(update(Import).values(time_limit_seconds=None))
    Queue(engine.ledger).retry(engine.job(job))
    engine.work()
    assert engine.report(job).status["outcome"] == "accepted", "a retry gets its full time"


def test_a_ledger_takes_drops_from_one_data_directory_only(engine: Engine, tmp_path: Path) -> None:
    refuse_strangers(engine.ledger, engine.directory)
    refuse_strangers(engine.ledger, engine.directory)
    stranger = type(engine.directory)(tmp_path / "another")
    stranger.create()
    with pytest.raises(ConfigurationError, match="another data directory"):
        refuse_strangers(engine.ledger, stranger)


def test_only_the_clock_that_leads_runs_its_jobs(engine: Engine) -> None:
    first = Clock(engine.ledger, engine.directory, timedelta(), name="first", alone=False)
    second = Clock(engine.ledger, engine.directory, timedelta(), name="second", alone=False)
    first.lead()
    second.lead()
    assert (first.leads, second.leads) == (True, False)
    first.stop_leading()
    second.lead()
    assert (first.leads, second.leads) == (False, True)
