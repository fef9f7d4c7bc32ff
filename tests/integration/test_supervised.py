"""The service under a service manager: a test plays systemd, and confines each process as its unit says."""

from __future__ import annotations

import csv
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import openpyxl
import paramiko
import pytest

from ingester.directory import DataDirectory
from ingester.role import Role
from tests import customer_file
from tests.manager import Managed, listen
from tests.service import Service
from tests.tenant import Tenant
from tests.unit_file import FOLDER, Unit

pytestmark = pytest.mark.needs("systemd-analyze")

Manage = Callable[..., Managed]


def unit(name: str) -> Unit:
    return Unit(FOLDER / f"{name}.service")


@pytest.fixture
def manage(tmp_path: Path) -> Iterator[Manage]:
    """Make services of units, on one data directory; whatever is left of them at the end is killed."""
    made: list[Managed] = []

    def make(name: str, *, listening: socket.socket | None = None, database_url: str = "") -> Managed:
        made.append(Managed(tmp_path, unit(name), listening=listening, database_url=database_url))
        return made[-1]

    try:
        yield make
    finally:
        for service in made:
            service.kill()


@pytest.fixture
def port() -> Iterator[socket.socket]:
    """What a socket unit keeps open."""
    with listen() as listening:
        yield listening


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Nobody else writes to a database of SQLite meanwhile."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def log_in(connection: socket.socket, tenant: Tenant) -> None:
    """Log in over a connection that is made already, and list the inbox."""
    with closing(paramiko.Transport(connection)) as transport:
        transport.connect(username=tenant.name, pkey=paramiko.Ed25519Key.from_private_key_file(str(tenant.key)))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        client.listdir("/inbox")


def connected(service: Service) -> socket.socket:
    return socket.create_connection((service.host, service.port), timeout=20)


def assert_said_in_order(service: Managed) -> None:
    """Ready once, alive until it is told to end, then only that it is about to."""
    facts = [said.facts for said in service.said]
    assert [fact[0] for fact in facts[:1]] == ["READY=1"]
    assert [fact[0] for fact in facts[-1:]] == ["STOPPING=1"]
    assert {fact[0] for fact in facts[1:-1]} <= {"WATCHDOG=1"}
    assert {said.process for said in service.said} == {service.leader}, "NotifyAccess=main hears nobody else"


@pytest.mark.alone
def test_a_restart_finishes_what_is_under_way_and_refuses_nobody(
    manage: Manage, port: socket.socket, tmp_path: Path
) -> None:
    first = manage("ingester", listening=port)
    # Before anybody accepts: who connects waits.
    with connected(first) as early:
        first.start()
        tenant = first.add_tenant("acme", "field_service")
        log_in(early, tenant)
    with connected(first) as at_once:
        log_in(at_once, tenant)
    first.hear("WATCHDOG=1", times=3, seconds=5)

    with held(first.data_dir / "ingester.db"):
        with tenant.connect() as client:
            client.put(str(customer_file.territories(tmp_path)), "/inbox/territories.csv")
        tenant.wait("territories.csv", status="processing")
        first.end()
        first.hear("STOPPING=1", seconds=5)
        time.sleep(0.5)
        assert first.lives, "it drains"
        waiting = connected(first)
    code = first.wait()
    assert code == 0, first.log
    # It was reported before the process ended.
    assert tenant.wait("territories.csv", seconds=0).status["outcome"] == "accepted"
    assert_said_in_order(first)

    # Who came over IPv4 is known by the address that people know, whatever the socket.
    assert '"address": "127.0.0.1"' in first.log

    with waiting, connected(first) as another:
        second = manage("ingester", listening=port).start()
        log_in(waiting, tenant)
        log_in(another, tenant)
    second.stop()


@pytest.mark.alone
def test_the_roles_start_together_on_an_empty_database_and_each_does_its_part(
    manage: Manage, port: socket.socket, postgres_url: str, tmp_path: Path
) -> None:
    roles = {
        role: manage(f"ingester-{role}", listening=port if role is Role.SFTP else None, database_url=postgres_url)
        for role in Role
    }
    for service in roles.values():
        service.spawn()
    for service in roles.values():
        service.hear("READY=1")
    sftp = roles[Role.SFTP]
    tenant = sftp.add_tenant("acme", "field_service")
    territories = customer_file.territories(tmp_path)
    with tenant.connect() as client:
        client.put(str(territories), "/inbox/territories.csv")
    assert tenant.wait("territories.csv").status["outcome"] == "accepted"
    assert "scheduler_leads" in roles[Role.SCHEDULER].log

    # Workbooks are read by a process of their own, under the same confinement.
    book = openpyxl.Workbook()
    for row in csv.reader(territories.read_text(encoding="utf-8").splitlines()):
        book.active.append(row)
    book.save(tmp_path / "territories.xlsx")
    with tenant.connect() as client:
        client.put(str(tmp_path / "territories.xlsx"), "/inbox/territories.xlsx")
    assert tenant.wait("territories.xlsx").stats["skipped_count"] == 500

    (tenant.inbox / "customers.csv").write_bytes(b"")
    assert tenant.wait("customers.csv").status["reason"] == "empty_file", "the watcher found it"

    for service in roles.values():
        service.end()
    for service in roles.values():
        assert service.wait() == 0, service.log
        assert_said_in_order(service)


@pytest.mark.parametrize(
    ("name", "database_url", "code", "what"),
    [
        ("ingester-worker", "", 1, "need a database that all of them reach"),
        ("ingester-sftp", "postgresql+psycopg://ingester@127.0.0.1:1/ingester", 3, "the database is not available"),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line_and_never_that_it_is_ready(
    name: str, database_url: str, code: int, what: str, manage: Manage
) -> None:
    service = manage(name, database_url=database_url)
    service.spawn()
    assert service.wait() == code
    (line,) = service.log.splitlines()
    assert line.startswith("error: ")
    assert what in line
    assert service.said == []


def test_everything_in_one_does_not_start_beside_a_role(manage: Manage, tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    shared = directory.lock(shared=True)
    service = manage("ingester")
    service.spawn()
    assert service.wait() == 1
    (line,) = service.log.splitlines()
    assert "`up` and `serve` exclude each other" in line
    assert shared
