"""Done-markers and checksums from the clients that customers use, and beside a file that is imported at once."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from tests.customer_file import territories
from tests.report import reports
from tests.service import Service
from tests.tenant import Tenant


@pytest.mark.needs("sftp")
def test_a_file_waits_for_its_marker_over_sftp(service: Service, tenant: Tenant, tmp_path: Path) -> None:
    service.run(
        *("feed", "add", tenant.name, "t", "--entity", "field_service.territory", "--pattern", "territories*"),
        *("--complete-on", "marker", "--read", "checksum=sha256"),
    )
    path = territories(tmp_path)
    done = path.with_name(f"{path.name}.done")
    done.touch()
    tenant.sftp(f"put {path} /inbox/", f"put {done} /inbox/", "ls -l /inbox")
    waiting = tenant.wait(path.name, status="queued")
    assert waiting.status["reason"] == "waits_for_companion"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with tenant.connect() as client:
        # With its check that what it sent is there.
        client.putfo(io.BytesIO(f"{digest}  {path.name}\n".encode()), f"/inbox/{path.name}.sha256")
        assert f"{path.name}.sha256" in client.listdir("/inbox")
    assert tenant.wait(path.name).status["outcome"] == "accepted"
    assert [report.status["file"]["name"] for report in reports(tenant.outbox)] == [path.name]


@pytest.mark.needs("sftp")
def test_a_marker_that_is_renamed_to_its_name_is_one(service: Service, tenant: Tenant, tmp_path: Path) -> None:
    service.run(
        *("feed", "add", tenant.name, "t", "--entity", "field_service.territory", "--pattern", "territories*"),
        *("--complete-on", "marker"),
    )
    path = territories(tmp_path)
    tenant.sftp(f"put {path} /inbox/")
    with tenant.connect() as client:
        client.putfo(io.BytesIO(b""), "/inbox/other.csv.done")
        client.rename("/inbox/other.csv.done", f"/inbox/{path.name}.fin")
        client.putfo(io.BytesIO(b""), "/inbox/useless.csv.done")
        client.remove("/inbox/useless.csv.done")
    assert tenant.wait(path.name).status["outcome"] == "accepted"
