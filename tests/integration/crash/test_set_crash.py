"""Kill -9 while an archive is opened, while its files are imported and when it ends: each file is imported once."""

from __future__ import annotations

import pytest

from ingester import fault
from tests.integration.crash.conftest import FragileService
from tests.report import assert_reconciles, reports
from tests.zipped import zipped

pytestmark = pytest.mark.slow

FILES = {
    "items.csv": "external_id,label,category_external_id\nA,Alpha,C1\nB,Beta,C1\n",
    "categories.csv": "external_id,label\nC1,Tools\n",
}


ARCHIVE = zipped(FILES)


@pytest.mark.parametrize(
    ("point", "at_pass", "victim"),
    [
        *((point, 1, "service") for point in fault.POINTS if point.startswith("set.")),
        *((point, 1, "process") for point in ("set.placed", "merge.committed")),
        # Of the archive alone: its files are not moved.
        ("archive.moved", 1, "service"),
        ("ledger.completed", 2, "service"),
    ],
)
def test_an_archive_s_files_are_imported_once_whenever_somebody_dies(
    fragile: FragileService, point: str, at_pass: int, victim: str
) -> None:
    tenant = fragile.new_tenant()
    fragile.die_at(point, at_pass=at_pass, victim=victim)
    (tenant.folder / "nightly.zip").write_bytes(ARCHIVE)
    (tenant.folder / "nightly.zip").rename(tenant.inbox / "nightly.zip")
    fragile.until(lambda: not fragile.plan.exists(), f"{point} to be passed")
    if victim == "service":
        fragile.wait_for_death()
        fragile.start()
    whole = tenant.wait("nightly.zip")
    assert (whole.status["status"], whole.status["outcome"]) == ("completed", "accepted"), whole.status
    assert whole.stats["created_count"] == 3
    for name in FILES:
        assert_reconciles(tenant.wait(f"nightly.zip.{name}"))
    rows = fragile.select("SELECT external_id FROM shop__item WHERE tenant_id = ? ORDER BY id", tenant.name)
    assert rows == [("A",), ("B",)]
    kept = [path.read_bytes() for path in (tenant.folder / "archive").rglob("*") if path.is_file()]
    assert kept == [ARCHIVE]
    assert len(reports(tenant.outbox)) == 3
    fragile.until(lambda: not fragile.leftovers(), "the spool to be empty")
    counted = {"drops folder": 1, "imports completed.accepted": 3, "rows created": 3}
    fragile.until(lambda: fragile.totals(tenant.name) == counted, f"the totals to be {counted}")
