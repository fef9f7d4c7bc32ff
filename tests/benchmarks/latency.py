"""How long a customer waits: from the answer to the close of an upload until its final status file is in the outbox."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figure import Figure, Figures, Ref
from tests.benchmarks.generate import write_customers
from tests.benchmarks.measure import Measurement, Peak
from tests.customer_file import territories
from tests.service import Service

RACE = "close to status visible, over SFTP"
ROWS = 100


def run(repeats: int, tell: Callable[[str], None]) -> Figures:
    """Upload that many files of 100 rows; nothing if the service does not answer, and that is told."""
    tell(f"{RACE}: {repeats} files")
    try:
        measured = _close_to_status(repeats)
    except AssertionError as error:
        tell(f"{RACE} failed: {str(error)[-2000:]}")
        return {}
    ref = Ref(RACE, "ingester", "whole service")
    return {ref: Figure(ref, ROWS, [each.seconds for each in measured], [each.peak for each in measured])}


def _close_to_status(repeats: int) -> list[Measurement]:
    """One after the other on one connection to a running service."""
    with tempfile.TemporaryDirectory() as scratch:
        service = Service(Path(scratch))
        service.start()
        try:
            return _measure(service, Path(scratch), repeats)
        finally:
            service.kill()


def _measure(service: Service, scratch: Path, repeats: int) -> list[Measurement]:
    tenant = service.add_tenant("bench", "field_service")
    measured = []
    with Peak(service.leader) as peak, tenant.connect() as client:
        client.put(str(territories(scratch)), "/inbox/territories.csv")
        tenant.wait("territories.csv")
        for number in range(repeats):
            name = f"customer_{number}.csv"
            write_customers(scratch / name, ROWS, seed=number)
            with client.open(f"/inbox/{name}", "wb") as file:
                file.write((scratch / name).read_bytes())
            closed = time.perf_counter()
            report = tenant.wait(name, poll=0.002)
            measured.append(Measurement(time.perf_counter() - closed, peak.bytes, report.status))
            assert report.status["outcome"] == "accepted", report.brief()
    return measured
