"""The main job as a customer lives it: upload with OpenSSH, read the report, look at the records, send corrections."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.benchmarks.generate import HEADER
from tests.customer_file import Row, clean_rows, territories, write
from tests.report import MARKS, Report, assert_reconciles
from tests.service import Service
from tests.tenant import Tenant

pytestmark = pytest.mark.needs("sftp")


@dataclass(frozen=True)
class Bad:
    """One cell that is wrong, and what the customer must be told about it."""

    row: int
    field: str
    value: str
    code: str
    message: str


BAD = (
    Bad(17, "email", "not-an-email", "invalid_email", "Invalid email format"),
    Bad(101, "email", "@example.com", "invalid_email", "Invalid email format"),
    Bad(
        250,
        "lifecycle_status",
        "deleted",
        "invalid_enum_value",
        "Invalid enum value. Expected 'lead' | 'prospect' | 'customer' | 'former_customer' | 'inactive'",
    ),
    Bad(333, "created_on", "2020-02-31", "invalid_type", "Invalid date"),
    Bad(334, "created_on", "31/12/2020", "invalid_type", "Invalid date"),
    Bad(500, "balance", "12,50", "invalid_type", "Invalid number"),
    Bad(501, "balance", "twelve", "invalid_type", "Invalid number"),
    Bad(640, "external_id", "", "required", "Field is required"),
    Bad(777, "territory_external_id", "T999", "reference_not_found", "No territory with this key exists"),
    Bad(1000, "phone", "ask Anna", "invalid_phone", "Invalid phone number"),
)
#: The note of this row, before the first bad cell, has a line break: after it, row and physical line differ by two.
BROKEN_NOTE = 5


def stored(tenant: Tenant) -> dict[str, tuple[object, ...]]:
    """The tenant's customers by external_id, cell by cell as text."""
    path = tenant.service.data_dir / "ingester.db"
    cells = ", ".join(f"CAST({field} AS TEXT)" for field in HEADER)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute(f"SELECT {cells} FROM field_service__customer WHERE tenant_id = ?", (tenant.name,))
        return {row[0]: record(dict(zip(HEADER, row, strict=True))) for row in rows}


def record(row: Row) -> tuple[object, ...]:
    """What a row means as a record: empty cells are NULL, numbers are numbers."""
    cells: dict[str, object] = {field: row[field] or None for field in HEADER}
    cells["balance"] = Decimal(row["balance"])
    return tuple(cells.values())


def shown(cell: str) -> str:
    """How a CSV that people open in a spreadsheet spells a cell that would run there as a formula."""
    return f"'{cell}" if cell.startswith("@") else cell


@pytest.fixture
def known_territories(tenant: Tenant, tmp_path: Path) -> None:
    tenant.sftp(f"put {territories(tmp_path)} /inbox/")
    assert tenant.wait("territories.csv").status["outcome"] == "accepted"


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return clean_rows(tmp_path, 1000)


def spoil(rows: list[Row]) -> list[Row]:
    """The same rows with the ten bad cells."""
    spoilt = [dict(row) for row in rows]
    spoilt[BROKEN_NOTE - 1]["notes"] = "rings twice,\nthen waits"
    for bad in BAD:
        spoilt[bad.row - 1][bad.field] = bad.value
    return spoilt


@pytest.mark.alone
@pytest.mark.usefixtures("known_territories")
def test_a_thousand_rows_with_ten_bad_cells(tenant: Tenant, rows: list[Row], tmp_path: Path) -> None:
    sent = spoil(rows)
    path = write(tmp_path / "customers_2026-11-21.csv", sent)

    tenant.sftp(f"put {path} /inbox/")
    closed = time.monotonic()
    report = tenant.wait(path.name)
    assert time.monotonic() - closed < 3

    assert_reconciles(report)
    status = report.status
    assert (status["tenant"], status["entity_type"], status["outcome"]) == (tenant.name, "customer", "partial")
    assert (status["file"]["name"], status["file"]["origin"]) == (path.name, "sftp")
    assert report.stats | {"deleted_count": 0, "removed_count": 0} == {
        "total_rows": 1000,
        "valid_rows": 990,
        "error_rows": 10,
        "duplicate_rows": 0,
        "created_count": 990,
        "updated_count": 0,
        "skipped_count": 0,
        "deleted_count": 0,
        "removed_count": 0,
    }
    told = [
        (line["row"], line["line"], line["key"], line["field"], line["code"], line["value"]) for line in report.errors
    ]
    assert told == [
        (str(bad.row), str(bad.row + 2), sent[bad.row - 1]["external_id"], bad.field, bad.code, shown(bad.value))
        for bad in BAD
    ]
    for line, bad in zip(report.errors, BAD, strict=True):
        assert line["message"].startswith(bad.message)
        assert line["severity"] == "error"
        assert line["hint"]

    rejects = report.rejects
    assert list(rejects[0]) == [*HEADER, *MARKS]
    assert [{field: row[field] for field in HEADER} for row in rejects] == [
        {field: shown(cell) for field, cell in sent[bad.row - 1].items()} for bad in BAD
    ]
    for row, bad in zip(rejects, BAD, strict=True):
        assert bad.field in row["_errors"]

    refused = {bad.row for bad in BAD}
    assert stored(tenant) == {
        row["external_id"]: record(row) for number, row in enumerate(sent, 1) if number not in refused
    }


@pytest.mark.usefixtures("known_territories")
def test_a_changed_file_updates_what_changed_and_leaves_the_rest_alone(
    tenant: Tenant, rows: list[Row], tmp_path: Path
) -> None:
    path = write(tmp_path / "customers.csv", rows)
    tenant.sftp(f"put {path} /inbox/")
    tenant.wait(path.name)

    for number in (3, 500, 998):
        rows[number]["notes"] = "moved away"
    rows.append(dict(rows[0], external_id="new"))
    write(path, rows)
    tenant.sftp(f"put {path} /inbox/")
    report = tenant.wait(path.name, count=2)

    assert_reconciles(report)
    counts = {name: report.stats[name] for name in ("created_count", "updated_count", "skipped_count")}
    assert counts == {"created_count": 1, "updated_count": 3, "skipped_count": 997}
    assert stored(tenant) == {row["external_id"]: record(row) for row in rows}


@pytest.mark.usefixtures("known_territories")
def test_the_same_file_under_another_name_changes_nothing(tenant: Tenant, rows: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / "customers.csv", rows[:10])
    tenant.sftp(f"put {path} /inbox/")
    first = tenant.wait(path.name)
    before = stored(tenant)
    tenant.sftp(f"put {path} /inbox/customer_again.csv")
    again = tenant.wait("customer_again.csv")
    assert_reconciles(again)
    assert (again.status["outcome"], again.status["duplicate_of"]) == ("duplicate", first.status["id"])
    assert stored(tenant) == before


@pytest.mark.usefixtures("known_territories")
def test_the_report_can_be_fetched_and_deleted_over_sftp(tenant: Tenant, rows: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / "customers.csv", spoil(rows))
    tenant.sftp(f"put {path} /inbox/")
    report = tenant.wait(path.name)
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    tenant.sftp(f"get /outbox/customers.csv.* {fetched}/", f"get -r /archive {fetched}/")
    assert json.loads((fetched / report.path.name).read_text()) == report.status
    assert Report.read(fetched / report.path.name).errors == report.errors
    (archived,) = (file for file in fetched.glob("archive/*/*") if file.name.startswith(path.name))
    assert archived.name == f"{path.name}.{report.status['short_id']}"
    assert archived.read_bytes() == path.read_bytes()

    tenant.sftp("rm /outbox/customers.csv.*")
    assert not list(tenant.outbox.glob("customers.csv.*"))
    assert tenant.sftp("rm /archive/*/*", check=False).returncode != 0


@pytest.mark.usefixtures("known_territories")
def test_the_original_leaves_the_inbox_once_its_session_is_over(
    tenant: Tenant, rows: list[Row], tmp_path: Path
) -> None:
    path = write(tmp_path / "customers.csv", rows[:10])
    tenant.sftp(f"put {path} /inbox/")
    tenant.wait(path.name)

    def gone() -> bool | None:
        return path.name not in tenant.sftp("ls -1 /inbox").stdout or None

    tenant.until(gone, "an empty inbox", poll=0.2)


@pytest.mark.usefixtures("known_territories")
def test_paramiko_put_finds_its_file_after_the_upload(tenant: Tenant, rows: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / "customers.csv", rows[:100])
    with tenant.connect() as client:
        for number in range(5):
            # `confirm` stats the file after it was closed, when the import may well have ended.
            name = f"customer_{number}.csv"
            assert client.put(str(path), f"/inbox/{name}", confirm=True).st_size == path.stat().st_size
            tenant.wait(name)
            assert client.stat(f"/inbox/{name}").st_size == path.stat().st_size
    assert len(stored(tenant)) == 100


@pytest.mark.usefixtures("known_territories")
def test_a_file_copied_into_the_inbox_folder_takes_the_same_door(
    tenant: Tenant, rows: list[Row], tmp_path: Path
) -> None:
    path = write(tmp_path / "customers.csv", spoil(rows))
    shutil.copy(path, tenant.inbox / path.name)
    report = tenant.wait(path.name)
    assert_reconciles(report)
    assert report.status["file"]["origin"] == "folder"
    assert report.stats["error_rows"] == len(BAD)
    assert [line["value"] for line in report.errors] == [shown(bad.value) for bad in BAD]
    tenant.until(lambda: None if (tenant.inbox / path.name).exists() else True, "the file to leave the inbox")


def test_children_wait_for_parents_that_were_sent_with_them(tenant: Tenant, rows: list[Row], tmp_path: Path) -> None:
    customers = write(tmp_path / "customers.csv", rows)
    tenant.sftp(f"put {territories(tmp_path)} /inbox/", f"put {customers} /inbox/")
    assert tenant.wait(customers.name).status["outcome"] == "accepted"


@pytest.mark.needs("ssh-keygen")
def test_a_key_made_by_ssh_keygen_lets_its_owner_in_and_nobody_else(
    service: Service, tenant: Tenant, tmp_path: Path
) -> None:
    other = service.add_tenant(f"{tenant.name}-other", "field_service")
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key], check=True)
    tenant.key, other.key = key, key
    assert "Permission denied" in tenant.sftp("pwd", check=False).stderr
    service.run("tenant", "key", tenant.name, "add", key.with_suffix(".pub"))
    tenant.sftp("ls /inbox")
    assert "Permission denied" in other.sftp("pwd", check=False).stderr


def test_one_tenant_sees_nothing_of_another(service: Service, tenant: Tenant, rows: list[Row], tmp_path: Path) -> None:
    other = service.add_tenant(f"{tenant.name}0", "field_service")
    other.sftp(f"put {territories(tmp_path)} /inbox/")
    other.wait("territories.csv")
    customers = write(tmp_path / "customers.csv", rows[:10])
    tenant.sftp(f"put {customers} /inbox/")
    report = tenant.wait(customers.name)
    assert report.status["outcome"] == "rejected", "the territories are the other tenant's"
    assert {line["code"] for line in report.errors} == {"reference_not_found"}
    for path in (f"/../{other.name}/outbox", f"//{other.name}", f"/../../tenants/{other.name}"):
        assert tenant.sftp(f"ls {path}", check=False).returncode != 0
    assert customers.name not in other.sftp("ls -1 /inbox", "ls -1 /outbox").stdout
