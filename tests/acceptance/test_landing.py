"""What counts as an upload: only what the client itself closed lands, and what has landed is never lost."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import paramiko
import pytest

from tests.customer_file import clean_rows, territories, write
from tests.process import session_members
from tests.report import assert_reconciles, reports
from tests.service import Service
from tests.tenant import Tenant

pytestmark = pytest.mark.needs("sftp")

#: Kilobits a second at which OpenSSH uploads the large file: it takes half a minute, and no test waits for its end.
SLOW = "8000"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """30 MB that clients send in pieces of whole kilobytes, none of which ends where a record ends: a cut shows."""
    header = "external_id,notes\n"
    note = "x" * (32 * 1024 - len('L0000,""\n'))
    path = tmp_path / "customers_large.csv"
    path.write_text(header + "".join(f'L{number:04},"{note}"\n' for number in range(900)), newline="")
    return path


def arriving(tenant: Tenant, size: int) -> None:
    """Wait until that many bytes of an upload are in the spool."""
    incoming = tenant.service.data_dir / "spool" / "incoming"

    def enough() -> bool | None:
        return any(path.stat().st_size >= size for path in incoming.rglob("*") if path.is_file()) or None

    tenant.until(enough, "an upload to arrive")


def assert_nothing_landed(tenant: Tenant, name: str, folder: Path) -> None:
    """Not in the inbox, not in the spool; and a later upload is imported as if nothing had been."""
    spool = tenant.service.data_dir / "spool"

    def clean() -> bool | None:
        return not any(path.is_file() for path in (spool / "incoming").rglob("*")) or None

    tenant.until(clean, "the spool to be cleaned")
    assert not any(path.is_file() for path in (spool / "drops").rglob("*"))
    assert name not in tenant.sftp("ls -1 /inbox").stdout
    tenant.sftp(f"put {territories(folder)} /inbox/")
    assert tenant.wait("territories.csv").status["outcome"] == "accepted"
    assert [report.status["file"]["name"] for report in reports(tenant.outbox)] == ["territories.csv"]


def start_sftp(tenant: Tenant, path: Path, *options: str) -> subprocess.Popen[bytes]:
    client = subprocess.Popen(
        tenant.sftp_command(*options),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert client.stdin is not None
    client.stdin.write(f"put {path} /inbox/\n".encode())
    client.stdin.close()
    return client


@pytest.fixture
def own(launch: Callable[..., Service]) -> Tenant:
    """A tenant on a service of its own, whose spool shows only what this test does."""
    return launch().start().add_tenant("acme", "field_service")


@pytest.mark.parametrize("victim", ["sftp", "ssh"])
def test_a_client_killed_half_way_leaves_nothing(victim: str, own: Tenant, large: Path, tmp_path: Path) -> None:
    client = start_sftp(own, large, "-l", SLOW)
    arriving(own, 200_000)
    names = {member: Path(f"/proc/{member}/comm").read_text().strip() for member in session_members(client.pid)}
    assert set(names.values()) == {"sftp", "ssh"}
    for member, name in names.items():
        if name == victim:
            # sftp: its ssh ends the channel in good order, without FXP_CLOSE. ssh: the connection breaks.
            os.kill(member, signal.SIGKILL)
    client.wait(20)
    assert_nothing_landed(own, large.name, tmp_path)


def test_a_connection_that_is_reset_leaves_nothing(own: Tenant, large: Path, tmp_path: Path) -> None:
    content = large.read_bytes()
    with own.transport() as transport:
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        file = client.open(f"/inbox/{large.name}", "wb")
        file.write(content[:500_000])
        arriving(own, 400_000)
        transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.sock.close()
    assert_nothing_landed(own, large.name, tmp_path)


def test_a_file_cut_by_ctrl_c_is_held_not_imported(own: Tenant, large: Path) -> None:
    client = start_sftp(own, large, "-l", SLOW)
    arriving(own, 200_000)
    # The client answers an interrupt by closing the handle as if the file were complete.
    client.send_signal(signal.SIGINT)
    client.wait(20)
    report = own.wait(large.name, status="needs_attention")
    assert report.status["reason"] == "possibly_truncated"
    assert 0 < report.status["file"]["size"] < large.stat().st_size
    with closing(sqlite3.connect(own.service.data_dir / "ingester.db")) as database:
        assert database.execute("SELECT count(*) FROM field_service__customer").fetchone() == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.6])
def test_a_power_cut_after_ok_loses_nothing_and_imports_once(delay: float, own: Tenant, tmp_path: Path) -> None:
    own.sftp(f"put {territories(tmp_path)} /inbox/")
    own.wait("territories.csv")
    path = write(tmp_path / "customers.csv", clean_rows(tmp_path, 1000))

    own.sftp(f"put {path} /inbox/")
    time.sleep(delay)
    own.service.kill()
    own.service.start()

    report = own.wait(path.name)
    assert_reconciles(report)
    assert report.stats["created_count"] == 1000
    assert len(reports(own.outbox, path.name)) == 1
    assert len(list((own.folder / "archive").rglob(f"{path.name}.*"))) == 1
    with closing(sqlite3.connect(own.service.data_dir / "ingester.db")) as database:
        counted = database.execute(
            "SELECT count(*), count(DISTINCT external_id) FROM field_service__customer"
        ).fetchone()
    assert counted == (1000, 1000)


@pytest.mark.slow
def test_a_power_cut_during_an_upload_leaves_nothing(own: Tenant, large: Path, tmp_path: Path) -> None:
    client = start_sftp(own, large, "-l", SLOW)
    arriving(own, 200_000)
    own.service.kill()
    client.wait(20)
    own.service.start()
    assert_nothing_landed(own, large.name, tmp_path)
