"""Kill -9 at every step of a drop's way, then start again: the end is the same as if nothing had happened.

What the client was told OK is imported exactly once; what it was not told OK before it was recorded, never was.
"""

from __future__ import annotations

import contextlib
import io

import paramiko
import pytest

from ingester import fault
from tests.integration.crash.conftest import FragileService
from tests.report import assert_reconciles, reports
from tests.tenant import Tenant

pytestmark = pytest.mark.slow

ITEMS = "external_id,label,stock\nA,Alpha,1\nB,Beta,2\nC,Gamma,x\n"

LANDING = [point for point in fault.POINTS if point.startswith("landing.")]
#: What only a file from an inbox folder passes.
TAKING = [point for point in fault.POINTS if point.startswith("taking.")]
WORKING = [point for point in fault.POINTS if not point.startswith(("landing.", "taking.", "s3.", "set.", "purge."))]


def upload(tenant: Tenant) -> bool:
    """Upload by SFTP as paramiko does, with its check; whether the client was told OK."""
    try:
        with tenant.connect() as client:
            client.putfo(io.BytesIO(ITEMS.encode()), "/inbox/items.csv")
    except (OSError, EOFError, paramiko.SSHException):
        return False
    return True


def put_into_folder(tenant: Tenant) -> bool:
    """A file that a local process moves into the inbox; nobody is told anything."""
    (tenant.folder / "items.csv").write_text(ITEMS)
    (tenant.folder / "items.csv").rename(tenant.inbox / "items.csv")
    return False


def assert_imported_once(service: FragileService, tenant: Tenant) -> None:
    report = tenant.wait("items.csv")
    assert_reconciles(report)
    assert (report.status["outcome"], report.stats["created_count"]) == ("partial", 2)
    assert [line["code"] for line in report.errors] == ["invalid_type"]
    rows = service.select("SELECT external_id, import_id FROM shop__item WHERE tenant_id = ? ORDER BY id", tenant.name)
    assert rows == [("A", report.status["id"]), ("B", report.status["id"])]
    archive = tenant.folder / "archive"
    assert [path.read_text() for path in archive.rglob("*") if path.is_file()] == [ITEMS]
    service.until(lambda: not service.leftovers(), "the spool to be empty")
    counted = {
        f"drops {report.status['file']['origin']}": 1,
        "imports completed.partial": 1,
        "rows created": 2,
        "rows error": 1,
    }
    service.until(lambda: service.totals(tenant.name) == counted, f"the totals to be {counted}")
    assert len(reports(tenant.outbox)) == 1
    service.until(lambda: not any(tenant.inbox.iterdir()), "the inbox to be empty")
    pending = service.select("SELECT publish_pending FROM import_outcomes WHERE import_id = ?", report.status["id"])
    assert pending == [(0,)]
    assert service.staging_tables() == []


def assert_never_was(service: FragileService, tenant: Tenant) -> None:
    assert reports(tenant.outbox) == []
    assert service.leftovers() == []
    assert service.select("SELECT 1 FROM shop__item WHERE tenant_id = ?", tenant.name) == []


@pytest.mark.parametrize("point", LANDING)
def test_a_power_cut_while_an_upload_lands(fragile: FragileService, point: str) -> None:
    tenant = fragile.new_tenant()
    fragile.die_at(point)
    assert not upload(tenant)
    fragile.wait_for_death()
    fragile.start()
    if point == "landing.committed":
        # Recorded, though nobody could be told any more.
        assert_imported_once(fragile, tenant)
        return
    assert_never_was(fragile, tenant)
    # The client does what it does after an error: it sends the file again.
    assert upload(tenant)
    assert_imported_once(fragile, tenant)


@pytest.mark.parametrize("point", ["landing.written", "landing.folder_synced", "landing.committed"])
def test_a_power_cut_while_a_marker_lands_that_an_import_waits_for(fragile: FragileService, point: str) -> None:
    tenant = fragile.new_tenant()
    fragile.run(
        *("feed", "add", tenant.name, "items", "--entity", "item", "--pattern", "items*", "--complete-on", "marker")
    )
    assert upload(tenant)
    tenant.wait("items.csv", status="queued")
    fragile.die_at(point)
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException), tenant.connect() as client:
        client.putfo(io.BytesIO(b""), "/inbox/items.csv.done")
        pytest.fail("it was told OK")
    fragile.wait_for_death()
    fragile.start()
    if point != "landing.committed":
        with tenant.connect() as client:
            client.putfo(io.BytesIO(b""), "/inbox/items.csv.done")
    assert_imported_once(fragile, tenant)


# The way into the ledger is the same as an upload's, so once is enough.
@pytest.mark.parametrize("shared", ["sqlite"], indirect=True)
@pytest.mark.parametrize("point", [*LANDING, *TAKING])
def test_a_power_cut_while_a_folder_drop_lands(fragile: FragileService, point: str) -> None:
    tenant = fragile.new_tenant()
    fragile.die_at(point)
    put_into_folder(tenant)
    fragile.wait_for_death()
    fragile.start()
    assert_imported_once(fragile, tenant)


@pytest.mark.parametrize(
    ("victim", "point", "at_pass"),
    [
        *(("service", point, 1) for point in WORKING),
        ("service", "outbox.half_published", 2),
        # Before the commit one phase is like another to the service that stays.
        *(("process", point, 1) for point in WORKING if not point.startswith("phase.")),
        ("process", "phase.processing", 1),
        ("process", "outbox.half_published", 2),
    ],
)
def test_a_power_cut_or_a_killed_worker_while_an_import_runs(
    fragile: FragileService, point: str, at_pass: int, victim: str
) -> None:
    tenant = fragile.new_tenant()
    fragile.die_at(point, at_pass=at_pass, victim=victim)
    told_ok = upload(tenant)
    fragile.until(lambda: not fragile.plan.exists(), f"{point} to be passed")
    if victim == "service":
        fragile.wait_for_death()
        fragile.start()
    else:
        # The others go on: the connection, the landing, and a new worker in the dead one's place.
        assert told_ok
        assert fragile.is_up
    assert_imported_once(fragile, tenant)


def test_a_file_that_kills_every_worker_is_put_aside_and_the_next_is_imported(fragile: FragileService) -> None:
    poisoned, other = fragile.new_tenant(), fragile.new_tenant()
    fragile.die_at("phase.preparsing", victim="process", always=True)
    assert upload(poisoned)
    report = poisoned.wait("items.csv")
    fragile.plan.unlink()
    assert (report.status["status"], report.status["reason"]) == ("failed", "attempts_exhausted")
    quarantine = fragile.data_dir / "spool" / "quarantine"
    assert ITEMS in [path.read_text() for path in quarantine.iterdir()]
    fragile.until(lambda: not fragile.leftovers(), "the spool to be empty")
    assert upload(other)
    assert_imported_once(fragile, other)
