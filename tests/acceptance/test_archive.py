"""Archives over SFTP: what a customer sees of the files in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.customer_file import as_csv, clean_rows, territories
from tests.report import assert_reconciles
from tests.tenant import Tenant
from tests.zipped import zipped

pytestmark = pytest.mark.needs("sftp")


def test_customers_and_their_territories_in_the_wrong_order_are_imported_parents_first(
    tenant: Tenant, tmp_path: Path
) -> None:
    rows = clean_rows(tmp_path, 50)
    rows[7]["email"] = "not an address"
    files = {"export/customers.csv": as_csv(rows), "export/territories.csv": territories(tmp_path).read_text()}
    (tmp_path / "nightly.zip").write_bytes(zipped(files))
    tenant.sftp(f"put {tmp_path / 'nightly.zip'} /inbox/")
    whole = tenant.wait("nightly.zip")
    customers, places = (tenant.wait(f"nightly.zip.{name}.csv") for name in ("customers", "territories"))
    for report in (customers, places):
        assert_reconciles(report)
        assert report.status["run_id"] == whole.status["id"]
    assert (places.status["outcome"], customers.status["outcome"]) == ("accepted", "partial")
    assert (customers.status["file"]["member"], customers.status["stats"]["created_count"]) == ("customers.csv", 49)
    assert [(line["row"], line["code"]) for line in customers.errors] == [("8", "invalid_email")]
    assert (whole.status["status"], whole.status["outcome"]) == ("completed", "partial")
    created = customers.stats["created_count"] + places.stats["created_count"]
    assert whole.stats["created_count"] == created
    listed = tenant.sftp("ls -1 /outbox").stdout
    for member in whole.status["members"]:
        assert member["files"]["status"] in listed
    day = whole.status["completed_at"][:10]
    assert f"nightly.zip.{whole.status['short_id']}" in tenant.sftp(f"ls -1 /archive/{day}").stdout


def test_an_archive_that_is_removed_before_anybody_opened_it_is_not_imported(tenant: Tenant, tmp_path: Path) -> None:
    tenant.service.run("tenant", "pause", tenant.name)
    (tmp_path / "nightly.zip").write_bytes(
        zipped({"customers.csv": "external_id\n1\n", "jobs.csv": "external_id\n1\n"})
    )
    tenant.sftp(f"put {tmp_path / 'nightly.zip'} /inbox/", "rm /inbox/nightly.zip")
    assert tenant.wait("nightly.zip").status["status"] == "canceled"
