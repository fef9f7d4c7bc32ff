"""Mistakes, a customer's or an operator's: each ends in one plain sentence that names the thing."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.customer_file import clean_rows, write
from tests.report import assert_reconciles
from tests.service import Service
from tests.tenant import Tenant

# --- a customer's file ------------------------------------------------------------------------------------------------


@pytest.mark.needs("sftp")
def test_a_file_without_a_required_column_is_rejected_whole(tenant: Tenant, tmp_path: Path) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "external_id"} for row in clean_rows(tmp_path, 30)]
    path = write(tmp_path / "customers.csv", rows)
    tenant.sftp(f"put {path} /inbox/")
    report = tenant.wait(path.name)
    assert_reconciles(report)
    assert (report.status["status"], report.status["outcome"]) == ("completed", "rejected")
    assert (report.stats["total_rows"], report.stats["error_rows"]) == (30, 30)
    (notice,) = report.errors
    assert (notice["row"], notice["code"], notice["field"]) == ("", "missing_column", "external_id")
    assert "external_id" in notice["message"]


@pytest.mark.needs("sftp")
def test_a_file_of_unknown_type_is_kept_aside_and_told_what_would_match(tenant: Tenant, tmp_path: Path) -> None:
    path = write(tmp_path / "quarterly_numbers.csv", clean_rows(tmp_path, 3))
    tenant.sftp(f"put {path} /inbox/")
    report = tenant.wait(path.name)
    assert report.status["status"] == "failed"
    assert report.status["reason"] == "unknown_entity"
    told = json.dumps(report.status)
    assert "customer" in told
    assert "territory" in told


@pytest.mark.needs("sftp")
def test_the_folder_names_the_type_of_a_file_that_does_not(tenant: Tenant, tmp_path: Path) -> None:
    rows = [row | {"territory_external_id": ""} for row in clean_rows(tmp_path, 3)]
    path = write(tmp_path / "quarterly_numbers.csv", rows)
    tenant.sftp(f"put {path} /inbox/customer/")
    report = tenant.wait(path.name)
    assert_reconciles(report)
    assert (report.status["entity_type"], report.status["outcome"]) == ("customer", "accepted")


@pytest.mark.needs("sftp")
def test_a_dry_run_reports_and_changes_nothing(tenant: Tenant, tmp_path: Path) -> None:
    rows = [row | {"territory_external_id": ""} for row in clean_rows(tmp_path, 20)]
    rows[4]["email"] = "nobody"
    path = write(tmp_path / "customers.csv", rows)
    tenant.sftp(f"put {path} /inbox/validate/")
    report = tenant.wait(path.name)
    assert_reconciles(report)
    assert report.status["dry_run"] is True
    assert (report.stats["created_count"], report.stats["error_rows"]) == (19, 1)
    tenant.sftp(f"put {path} /inbox/")
    assert tenant.wait(path.name, count=2).stats["created_count"] == 19, "nothing was there yet"


@pytest.mark.needs("sftp")
def test_an_empty_file_fails_and_says_so(tenant: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.touch()
    tenant.sftp(f"put {path} /inbox/")
    report = tenant.wait(path.name)
    assert (report.status["status"], report.status["reason"]) == ("failed", "empty_file")


@pytest.mark.needs("sftp")
def test_a_header_without_rows_is_accepted(tenant: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("external_id,email\n")
    tenant.sftp(f"put {path} /inbox/")
    report = tenant.wait(path.name)
    assert_reconciles(report)
    assert (report.status["outcome"], report.stats["total_rows"]) == ("accepted", 0)


@pytest.mark.needs("sftp")
def test_binary_rubbish_fails_and_the_next_file_is_imported(tenant: Tenant, tmp_path: Path) -> None:
    rubbish = tmp_path / "customers_1.csv"
    rubbish.write_bytes(bytes(range(256)) * 40)
    good = write(tmp_path / "customers_2.csv", [row | {"territory_external_id": ""} for row in clean_rows(tmp_path, 5)])
    tenant.sftp(f"put {rubbish} /inbox/", f"put {good} /inbox/")
    assert tenant.wait(good.name).status["outcome"] == "accepted"
    report = tenant.wait(rubbish.name)
    assert report.status["status"] == "failed"
    assert report.status["reason"] in ("invalid_encoding", "unreadable_file")


@pytest.mark.needs("sftp")
def test_an_unfinished_name_waits_until_it_is_renamed(tenant: Tenant, tmp_path: Path) -> None:
    rows = [row | {"territory_external_id": ""} for row in clean_rows(tmp_path, 5)]
    path = write(tmp_path / "customers.csv", rows)
    with tenant.connect() as client:
        client.put(str(path), "/inbox/customers.csv.filepart")
        assert "customers.csv.filepart" in client.listdir("/inbox")
        client.rename("/inbox/customers.csv.filepart", "/inbox/customers.csv")
    assert tenant.wait("customers.csv").stats["created_count"] == 5
    assert not list(tenant.outbox.glob("*.filepart*"))


# --- an operator's command --------------------------------------------------------------------------------------------


def assert_plain(service: Service, *arguments: str | Path, code: int = 1, names: tuple[str, ...]) -> None:
    """The command fails with one line on standard error that names these things."""
    done = service.run(*arguments, check=False)
    assert done.returncode == code, done
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    for name in names:
        assert name in line


def test_a_second_service_on_one_data_directory_is_refused(service: Service) -> None:
    assert_plain(service, "up", "--sftp-port", "0", names=(str(service.data_dir), str(service.leader)))


def test_a_port_in_use_is_named(launch: Callable[..., Service]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_plain(launch(), "up", "--host", "127.0.0.1", "--sftp-port", port, "--http-port", "0", names=(port,))


def test_a_data_directory_that_cannot_be_written_is_named(service: Service, tmp_path: Path) -> None:
    # Below a file: not even root can make a folder there.
    (tmp_path / "file").touch()
    wanted = tmp_path / "file" / "data"
    assert_plain(service, "up", "--data-dir", wanted, "--sftp-port", "0", names=(str(wanted),))


def test_a_rules_folder_that_does_not_exist_is_named(launch: Callable[..., Service], tmp_path: Path) -> None:
    missing = tmp_path / "absent"
    done = launch(rules=[missing]).run("up", "--sftp-port", "0", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(missing) in done.stderr


def test_every_mistake_in_the_rules_is_reported_at_once(launch: Callable[..., Service], tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "item.yaml").write_text("name: item\nfields:\n  - name: sku\n    type: sting\n  - nam: price\n")
    (folder / "order.yaml").write_text("name: order\nprimaryKey: nothing\nfields:\n  - name: number\n")
    done = launch(rules=[folder]).run("up", "--sftp-port", "0", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for part in ("item.yaml:4", "sting", "item.yaml:5", "nam", "order.yaml:2", "nothing"):
        assert part in done.stderr


def test_an_unknown_tenant_is_named(service: Service, tenant: Tenant) -> None:
    assert_plain(service, "tenant", "key", "nobody", "add", tenant.key.with_suffix(".pub"), names=("nobody",))


def test_a_private_key_is_refused_where_a_public_one_belongs(service: Service, tenant: Tenant) -> None:
    assert_plain(service, "tenant", "key", tenant.name, "add", tenant.key, names=(".pub",))


def test_a_key_file_that_does_not_exist_is_named(service: Service, tenant: Tenant, tmp_path: Path) -> None:
    absent = tmp_path / "absent.pub"
    assert_plain(service, "tenant", "key", tenant.name, "add", absent, names=(str(absent),))


@pytest.mark.parametrize("name", ["../x", "X", "api", "-x"])
def test_a_bad_tenant_name_is_refused(service: Service, name: str) -> None:
    assert_plain(service, "tenant", "add", "--", name, names=(name,))


def test_an_unknown_catalogue_is_named_with_those_that_exist(service: Service) -> None:
    names = ("no_such_catalogue", "field_service")
    assert_plain(service, "tenant", "add", "acme", "--catalogue", "no_such_catalogue", names=names)


@pytest.mark.needs("sftp")
def test_a_stranger_is_not_let_in(service: Service, tenant: Tenant) -> None:
    stranger = Tenant(service, "nobody")
    assert "Permission denied" in stranger.sftp("pwd", check=False).stderr
    stranger.name = tenant.name
    assert "Permission denied" in stranger.sftp("pwd", check=False).stderr
