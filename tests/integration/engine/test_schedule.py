"""When imports start and end by the clock: windows, superseded holds, time limits, and who runs the clock."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, update

from ingester.decision import Decisions
from ingester.domain.errors import ConfigurationError, UsageError
from ingester.domain.status import HoldHandling, RepeatHandling, Status
from ingester.feed import declare
from ingester.queue import Queue
from ingester.recovery import refuse_strangers
from ingester.routing import Router
from ingester.schedule.clock import Clock
from ingester.schedule.upkeep import Upkeep
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


class Matching:
    """Equals every text that a pattern matches whole."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self._pattern, other) is not None

    def __repr__(self) -> str:
        return self._pattern


def upkeep(engine: Engine) -> Upkeep:
    return Upkeep(engine.ledger, engine.directory, timedelta(seconds=60))


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


def test_a_customer_reads_why_its_file_does_not_start(engine: Engine) -> None:
    tenants = Tenants(engine.ledger)
    engine.add_tenant("berlin", timezone="Europe/Berlin")
    add_feed(engine, schedule="30 2 * * *")

    def told(name: str, tenant: str = "acme") -> tuple[str, str | None, str | None]:
        status = engine.report(engine.drop(name, ITEMS, tenant=tenant)).status
        return status["status"], status["reason"], status["message"]

    at_night = r"It does not start before \d{4}-\d\d-\d\d 02:30:00 UTC"
    assert told("items.csv") == ("queued", "waits_for_its_time", Matching(at_night))
    tenants.limit("berlin", settle_seconds=600)
    in_berlin = r"It does not start before \d{4}-\d\d-\d\d \d\d:\d\d:\d\d CES?T"
    assert told("item.csv", "berlin") == ("queued", "waits_for_its_time", Matching(in_berlin))
    tenants.pause("acme", "crm")
    assert told("items_2.csv") == ("queued", "waits_for_resumption", "Imports of feed 'crm' are paused")
    tenants.pause("acme")
    assert told("item.csv") == ("queued", "waits_for_resumption", "Imports of 'acme' are paused")
    tenants.limit("berlin", settle_seconds=0)
    assert told("remark.csv", "berlin") == ("queued", None, None), "it only waits for a worker"


def test_what_waits_for_its_time_is_started_by_whoever_cannot_wait(engine: Engine) -> None:
    add_feed(engine, schedule="30 2 * * *", settle_seconds=600)
    landed = engine.drop("items.csv", ITEMS)
    assert engine.work() == 0
    decisions = Decisions(engine.ledger, engine.directory)
    decisions.start(engine.job(landed), engine.drop_of(landed))
    status = engine.report(landed).status
    assert (status["status"], status["reason"]) == ("queued", None)
    assert engine.work() == 1
    assert engine.report(landed).status["outcome"] == "accepted"
    with pytest.raises(UsageError, match="is completed"):
        decisions.start(engine.job(landed), engine.drop_of(landed))


def test_a_file_that_nobody_knew_is_matched_again_once_there_is_a_feed_for_it(engine: Engine) -> None:
    failed = engine.drop("nightly_dump.csv", ITEMS)
    assert engine.job(failed).reason == "unknown_entity"
    decisions, tenants = Decisions(engine.ledger, engine.directory), Tenants(engine.ledger)

    def again() -> None:
        router = Router(engine.rules)
        found = tenants.with_feeds(["acme"])["acme"]
        decisions.route_again(engine.job(failed), engine.drop_of(failed), router, *found)

    with pytest.raises(UsageError, match="still has no type"):
        again()
    assert engine.job(failed).status is Status.FAILED
    tenants.add_feed(declare(name="dump", entity="item", pattern="*_dump*").feed(tenants.get("acme"), engine.rules))
    again()
    assert engine.report(failed).status["status"] == "queued"
    assert engine.work() == 1
    assert engine.report(failed).status["outcome"] == "accepted"
    assert engine.leftovers() == []
    with pytest.raises(UsageError, match="is completed"):
        again()


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
    upkeep(engine).supersede()
    assert engine.job(held).status is Status.NEEDS_ATTENTION, "nothing newer has come"
    newer = engine.drop("items_2.csv", ITEMS)
    assert engine.work() == 0
    upkeep(engine).supersede()
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
    upkeep(engine).supersede()
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
    upkeep(engine).recover()
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
    first = Clock(engine.ledger, "scheduler", "first", alone=False)
    second = Clock(engine.ledger, "scheduler", "second", alone=False)
    first.lead()
    second.lead()
    assert (first.leads, second.leads) == (True, False)
    first.stop_leading()
    second.lead()
    assert (first.leads, second.leads) == (False, True)
