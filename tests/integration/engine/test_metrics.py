"""The ledger's metrics: what was imported is what they say, whatever happened on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from sqlalchemy import delete, update
from sqlmodel import col

from ingester.alert import raise_alert, resolve
from ingester.domain.alert import AlertKind
from ingester.monitor import counted
from ingester.monitor.counted import OTHERS, Counted
from ingester.store import totals
from ingester.store.database import now
from ingester.store.ledger_tables import Attempt, Drop, Import
from tests.integration.engine.harness import Engine, failing
from tests.scrape import Scrape

ITEMS = "external_id,label,stock\nA,Alpha,1\nB,Beta,2\nC,Gamma,x\n"
MORE = "external_id,label,stock\nA,Alpha,7\nB,Beta,2\nD,Delta,4\n"


#: Where one database is like the other.
either = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def scrape(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scrape]:
    """A scrape of the ledger, never an earlier one."""
    monkeypatch.setattr(counted, "_FRESH_SECONDS", 0.0)

    def look(most_tenants: int = 10) -> Scrape:
        registry = CollectorRegistry()
        registry.register(Counted(engine.ledger, most_tenants))
        return Scrape(generate_latest(registry).decode())

    return look


def test_rows_and_imports_are_what_the_reports_say_after_crashes_and_retries(
    engine: Engine, scrape: Callable[..., Scrape]
) -> None:
    engine.drop("items.csv", ITEMS)
    with failing("merge.before_commit", OSError(5, "Input/output error")):
        engine.work()
    engine.make_due()
    with failing("outbox.published", OSError(5, "Input/output error")):
        engine.work()
    engine.make_due()
    # What happens to the service just before its last word to the ledger.
    with pytest.raises(KeyboardInterrupt), failing("archive.moved", KeyboardInterrupt()):
        engine.work()
    engine.crash()
    with failing("ledger.completed", OSError(5, "Input/output error")):
        engine.work()
    engine.take("items_2.csv", MORE)
    found = scrape()
    rows = {outcome: found.value("ingester_rows_total", tenant="acme", outcome=outcome) for outcome in totals.ROWS}
    assert rows == {
        "created": 3, "updated": 1, "skipped": 1, "deleted": 0, "removed": 0, "error": 1, "duplicate": 0,
    }  # fmt: skip
    ends = {"tenant": "acme", "status": "completed"}
    assert found.value("ingester_imports_total") == 2
    assert found.value("ingester_imports_total", outcome="partial", **ends) == 1
    assert found.value("ingester_imports_total", outcome="accepted", **ends) == 1
    assert found.value("ingester_drops_total", tenant="acme", origin="sftp") == 2
    assert found.value("ingester_drop_bytes_total", tenant="acme") == len(ITEMS) + len(MORE)
    assert found.value("ingester_attempts_total", result="retried") == 2
    assert found.value("ingester_attempts_total", result="interrupted") == 1
    # Each phase that had something to do, once for each import: the second did not read its file again.
    assert found.value("ingester_phase_seconds_count", phase="prevalidation") == 2
    assert found.value("ingester_phase_seconds_bucket", phase="processing", le="+Inf") == 2
    assert found.value("ingester_phase_seconds_count", phase="cleanup") == 0
    assert found.value("ingester_phase_seconds_sum", phase="prevalidation") > 0


@either
def test_totals_outlast_the_imports_that_they_count(engine: Engine, scrape: Callable[..., Scrape]) -> None:
    engine.take("items.csv", ITEMS)
    before = scrape()
    with engine.ledger.writing() as session:
        for table in (Attempt, Import, Drop):
            session.exec(delete(table))
    after = scrape()
    for name in ("ingester_rows_total", "ingester_imports_total", "ingester_drops_total"):
        assert after.value(name) == before.value(name) > 0


def test_what_waits_is_told_with_its_age(engine: Engine, scrape: Callable[..., Scrape]) -> None:
    held, behind = engine.drop("items.csv", ITEMS), engine.drop("items_2.csv", MORE)
    claim = engine.queue.claim("w")
    assert claim is not None
    engine.queue.hold(claim.job, reason="mass_removal", message="m")
    engine.drop("categories.csv", "external_id,label\nX,X\n")
    with engine.ledger.writing() as session:
        for job, due in ((held, 9), (behind, 2)):
            due_at = now() - timedelta(hours=due)
            session.exec(update(Import).where(col(Import.id) == job.id).values(due_at=due_at))
    found = scrape()
    assert found.value("ingester_queue_imports", tenant="acme", status="needs_attention") == 1
    assert found.value("ingester_queue_imports", tenant="acme", status="queued") == 2
    assert 7200 <= found.value("ingester_queue_oldest_seconds", tenant="acme") < 7300


@either
def test_an_import_that_is_to_wait_is_not_late(engine: Engine, scrape: Callable[..., Scrape]) -> None:
    job = engine.drop("items.csv", ITEMS)
    with engine.ledger.writing() as session:
        session.exec(update(Import).where(col(Import.id) == job.id).values(due_at=now() + timedelta(hours=1)))
    assert scrape().value("ingester_queue_oldest_seconds", tenant="acme") == 0


def test_tenants_beyond_the_bound_share_their_series(engine: Engine, scrape: Callable[..., Scrape]) -> None:
    for name in ("beta", "gamma", "delta"):
        engine.add_tenant(name)
        engine.drop("items.csv", ITEMS, tenant=name)
    everybody, two = scrape(), scrape(most_tenants=2)
    assert everybody.labels("ingester_drops_total", "tenant") == {"beta", "gamma", "delta"}
    assert two.labels("ingester_drops_total", "tenant") == {"beta", OTHERS}
    assert two.value("ingester_drops_total", tenant=OTHERS) == 2
    assert two.value("ingester_queue_imports", tenant=OTHERS, status="queued") == 2


@either
def test_a_stand_by_leaves_the_ledger_to_the_process_that_leads(engine: Engine) -> None:
    leads, registry = False, CollectorRegistry()
    registry.register(Counted(engine.ledger, 10, lambda: leads))
    assert generate_latest(registry) == b""
    leads = True
    assert b"ingester_ledger_up 1" in generate_latest(registry)


@either
def test_openmetrics_are_read_by_its_own_parser(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    registry = CollectorRegistry()
    registry.register(Counted(engine.ledger, 10))
    families = {family.name: family for family in parse_openmetrics(generate_openmetrics(registry).decode())}
    assert families["ingester_phase_seconds"].type == "histogram"
    assert families["ingester_imports"].type == "counter"


@either
def test_open_alerts_and_how_late_files_are(engine: Engine, scrape: Callable[..., Scrape]) -> None:
    due_at = now() - timedelta(minutes=10)
    with engine.ledger.writing() as session:
        for subject, due in (("one", due_at), ("two", now())):
            raise_alert(
                session, tenant="acme", kind=AlertKind.LATE, subject=subject, message="late", feed="crm", due_at=due
            )
        raise_alert(session, tenant="acme", kind=AlertKind.ORPHAN_MARKER, subject="x", message="orphan")
    found = scrape()
    assert found.value("ingester_open_alerts", tenant="acme", kind="late") == 2
    assert found.value("ingester_open_alerts", tenant="acme", kind="orphan_marker") == 1
    assert 600 <= found.value("ingester_lateness_seconds", tenant="acme") < 700
    with engine.ledger.writing() as session:
        resolve(session, tenant="acme", kind=AlertKind.LATE, by="the file", feed="crm")
    assert scrape().value("ingester_lateness_seconds", tenant="acme") == 0
