"""A running service over HTTP: what customers do is counted, by names that Prometheus' rules allow, and documented."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from tests.customer_file import territories
from tests.scrape import Scrape, get, health
from tests.service import Service
from tests.tenant import Tenant

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_an_upload_is_counted_from_its_login_to_its_rows(tenant: Tenant, tmp_path: Path) -> None:
    port, before = tenant.service.http_port, Scrape.of(tenant.service.http_port)
    path = territories(tmp_path)
    with tenant.connect() as client:
        during = Scrape.of(port)
        client.put(str(path), "/inbox/territories.csv.part")
        client.rename("/inbox/territories.csv.part", "/inbox/territories.csv")
        report = tenant.wait("territories.csv")
        with client.open(f"/outbox/{report.path.name}") as file:
            told = file.read()

    def counted() -> Scrape | None:
        found = Scrape.of(port)
        rows = found.value("ingester_rows_total", tenant=tenant.name, outcome="created")
        return found if rows and not found.value("ingester_sftp_sessions") else None

    # The ledger is asked every few seconds.
    after = tenant.until(counted, "the metrics to know it", poll=0.5)
    assert after.value("ingester_rows_total", tenant=tenant.name) == report.stats["created_count"]
    assert after.value("ingester_imports_total", tenant=tenant.name, outcome="accepted") == 1
    assert after.value("ingester_drop_bytes_total", tenant=tenant.name, origin="sftp") == path.stat().st_size
    assert after.value("ingester_landing_seconds_count", origin="sftp") >= 1
    assert during.value("ingester_sftp_sessions") >= 1

    def more(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert more("ingester_sftp_logins_total") >= 1
    assert (
        more("ingester_sftp_uploads_total", result="kept"),
        more("ingester_sftp_uploads_total", result="landed"),
    ) == (1, 1)
    assert more("ingester_sftp_received_bytes_total") == path.stat().st_size, "a rename brings nothing"
    assert more("ingester_sftp_upload_seconds_count") == 1
    assert more("ingester_sftp_sent_bytes_total") == len(told)


def test_a_refused_login_is_counted(service: Service) -> None:
    def failures() -> float:
        return Scrape.of(service.http_port).value("ingester_sftp_login_failures_total")

    before, stranger = failures(), Tenant(service, "stranger")
    with pytest.raises(paramiko.AuthenticationException), stranger.transport():
        pass
    stranger.until(lambda: failures() > before or None, "the failure to be counted")


def test_every_metric_says_what_it_is_by_its_name_and_its_help(service: Service) -> None:
    _, _, body = get(service.http_port, "/metrics")
    text = body.decode()
    for family in Scrape(text).families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert len(family.documentation) > 5, name
        assert text.count(f"# HELP {name} ") == text.count(f"# TYPE {name} ") == 1
        if family.type == "histogram":
            assert name.endswith("_seconds")
        elif family.type == "gauge" and name not in ("process_open_fds", "process_max_fds"):
            assert name.endswith(
                ("_seconds", "_bytes", "_info", "_up", "_imports", "_sessions", "_alive", "_wanted", "_alerts")
            ), name
        for sample in family.samples:
            assert "_created" not in sample.name


def test_every_metric_of_ours_is_in_the_readme(service: Service) -> None:
    for family in Scrape.of(service.http_port).families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("ingester_"):
            assert f"`{name}" in README, name


def test_the_examples_of_the_readme_ask_for_metrics_that_there_are(service: Service) -> None:
    suffixes = ("", "_total", "_bucket", "_sum", "_count")
    known = {family.name + suffix for family in Scrape.of(service.http_port).families for suffix in suffixes}
    asked = {name for line in re.findall(r"expr: (.*)", README) for name in re.findall(r"ingester_\w+", line)}
    assert asked
    assert asked <= known


def test_a_running_service_is_alive_and_ready(service: Service) -> None:
    status, checks = health(service.http_port)
    assert (status, [name for name, check in checks.items() if not check["ok"]]) == (200, [])
    assert {"ledger", "database", "workers", "disk", "host_keys", "landing", "event_loop", "service"} == set(checks)
    assert health(service.http_port, "/healthz")[0] == 200


def test_only_this_machine_is_listened_to(service: Service) -> None:
    address = f"{service.http_port:04X}"
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert f"0100007F:{address}" in listening
    assert f"00000000:{address}" not in listening


def test_a_port_in_use_ends_the_command_and_is_named(launch: Callable[..., Service]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = launch().run("up", "--sftp-port", "0", "--http-port", port, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert f"port {port}" in line
    assert "--http-port" in line
