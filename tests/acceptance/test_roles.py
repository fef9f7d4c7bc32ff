"""Roles as processes of their own on PostgreSQL: drops go through, parts die and are replaced, nothing runs twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingester.store.lease import LEASE, RENEWAL_SECONDS
from ingester.store.ledger import Ledger
from ingester.wake import Alarm, Bell
from tests.fleet import Fleet
from tests.report import assert_reconciles
from tests.warm import Warm

TERRITORIES = "external_id,name\nT1,North\nT2,South\n"


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, warm: Warm) -> Iterator[Fleet]:
    found = Fleet(tmp_path, postgres_url, warm)
    yield found
    found.kill()


@pytest.mark.alone
def test_roles_share_the_work_and_a_stand_by_takes_over(fleet: Fleet) -> None:
    sftp = fleet.add("sftp")
    workers = [fleet.add("worker", "--processes", "1"), fleet.add("worker", "--processes", "1")]
    leader = fleet.add("scheduler")
    leader.until("scheduler_leads")
    stand_by = fleet.add("scheduler")
    watcher = fleet.add("watcher")
    tenant = fleet.add_tenant("acme", "field_service")

    with tenant.connect() as client, client.open("/inbox/territories.csv", "w") as file:
        file.write(TERRITORIES)
    assert_reconciles(tenant.wait("territories.csv"))
    (tenant.inbox / "territory_by_hand.csv").write_text(TERRITORIES.replace("North", "Nord"))
    assert_reconciles(tenant.wait("territory_by_hand.csv"))

    assert "scheduler_leads" not in stand_by.log
    leader.kill()
    began = time.monotonic()
    stand_by.until("scheduler_leads", seconds=LEASE.total_seconds() + RENEWAL_SECONDS + 5)
    assert time.monotonic() - began < 30

    # One worker less, and nobody notices; the last upload's own report comes from the other.
    workers[0].kill()
    with tenant.connect() as client, client.open("/inbox/territories_2.csv", "w") as file:
        file.write(TERRITORIES.replace("South", "Sud"))
    assert_reconciles(tenant.wait("territories_2.csv"))
    for member in (sftp, watcher, workers[1], stand_by):
        member.stop()


@pytest.mark.alone
def test_roles_and_the_whole_service_exclude_each_other(tmp_path: Path, postgres_url: str) -> None:
    # Interpreters of their own, as everybody else's.
    fleet = Fleet(tmp_path, postgres_url)
    try:
        scheduler = fleet.add("scheduler")
        refused = fleet.run("up", "--sftp-port", "0", check=False)
        assert refused.returncode == 1
        assert "is using the data directory" in refused.stderr
        scheduler.stop()
    finally:
        fleet.kill()


def test_a_role_alone_needs_a_database_that_others_reach(tmp_path: Path, warm: Warm) -> None:
    alone = Fleet(tmp_path, "", warm)
    refused = alone.run("serve", "worker", check=False)
    assert refused.returncode == 1
    assert "PostgreSQL" in refused.stderr


def test_a_worker_on_postgresql_is_woken_by_another_machine_within_100_ms(tmp_path: Path, postgres_url: str) -> None:
    """The bell is that of another data directory's folder of sleepers, so only the database can carry it."""
    import threading

    from ingester.directory import DataDirectory

    here, there = DataDirectory(tmp_path / "here"), DataDirectory(tmp_path / "there")
    here.create()
    there.create()
    ledger = Ledger.open(postgres_url)
    alarm = Alarm(here.sleepers, "worker", ledger)
    bell = Bell(there, ledger)
    bell.ring()
    assert alarm.wait(20), "one that came before sleeping is not lost"
    delays = []
    for _ in range(5):
        rung: list[float] = []

        def ring(rung: list[float] = rung) -> None:
            rung.append(time.monotonic())
            bell.ring()

        ringing = threading.Timer(0.05, ring)
        ringing.start()
        assert alarm.wait(20)
        delays.append(time.monotonic() - rung[0])
        ringing.join()  # or its connection would come back to a pool that is gone
    alarm.close()
    ledger.close()
    assert sorted(delays)[2] < 0.1


def test_a_worker_whose_listening_connection_is_lost_listens_again(tmp_path: Path, postgres_url: str) -> None:
    import psycopg

    from ingester.directory import DataDirectory
    from tests.postgres import conninfo

    directory = DataDirectory(tmp_path / "data")
    directory.create()
    ledger = Ledger.open(postgres_url)
    alarm = Alarm(directory.sleepers, "worker", ledger)
    with psycopg.connect(conninfo(postgres_url), autocommit=True) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    assert alarm.wait(20), "the loss itself wakes: nobody knows what was missed"
    assert alarm.wait(20), "and so does listening again"
    Bell(directory, ledger).ring()
    assert alarm.wait(20)
    assert not alarm.wait(0.01)
    alarm.close()
    ledger.close()
