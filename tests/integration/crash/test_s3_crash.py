"""Kill -9 at every step of an object's way from a bucket and back, then start again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingester.domain.status import AfterImport
from ingester.store.database import now, sqlite_url
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import S3Inbox
from ingester.store.s3_inbox import S3Inboxes
from tests.integration.crash.conftest import FragileService
from tests.s3 import CREDENTIALS, KEY_VARIABLE, SECRET_VARIABLE, Bucket, S3Server, running_server
from tests.warm import Warm

pytestmark = pytest.mark.slow

ITEMS = "external_id,label,stock\nA,Alpha,1\nB,Beta,2\nC,Gamma,x\n"


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Iterator[FragileService]:
    service = FragileService(tmp_path_factory.mktemp("crash"), warm=warm)
    service._environment |= CREDENTIALS | {"INGESTER_S3__LOOK_SECONDS": "0.1"}
    yield service
    service.kill()


def watch_bucket(service: FragileService, bucket: Bucket, tenant: str) -> None:
    ledger = Ledger.open(sqlite_url(Path(service.data_dir) / "ledger.db"))
    S3Inboxes(ledger).add(
        S3Inbox(
            tenant=tenant,
            name="main",
            bucket=bucket.name,
            prefix="in/",
            endpoint_url=bucket.server.url,
            addressing="path",
            access_key_variable=KEY_VARIABLE,
            secret_key_variable=SECRET_VARIABLE,
            after=AfterImport.MOVE,
            move_prefix="done/",
            outbox_prefix="out/",
            poll_seconds=1,
            created_at=now(),
        )
    )
    ledger.close()


# The others are tried where it costs less, in `tests/integration/s3/test_settling.py`.
@pytest.mark.parametrize("point", ["s3.fetched", "s3.landed", "s3.settled", "s3.told"])
def test_a_power_cut_while_an_object_is_fetched_or_answered_for(
    watching: FragileService, s3_server: S3Server, point: str
) -> None:
    if not watching.is_up:
        watching.kill()
        watching.start()
    tenant, bucket = watching.new_tenant(), s3_server.new_bucket()
    watch_bucket(watching, bucket, tenant.name)
    watching.die_at(point)
    bucket.put("in/items.csv", ITEMS)
    watching.wait_for_death()
    watching.start()

    is_told: Callable[[], bool] = lambda: any("status" in key for key in bucket.listed("out/"))  # noqa: E731 -- short
    watching.until(lambda: is_told() and not bucket.listed("in/"), "the object to be moved and told about")
    report = tenant.wait("items.csv")
    assert (report.status["outcome"], report.stats["created_count"]) == ("partial", 2)
    rows = watching.select("SELECT external_id, import_id FROM shop__item WHERE tenant_id = ? ORDER BY id", tenant.name)
    assert rows == [("A", report.status["id"]), ("B", report.status["id"])]
    short_id = report.status["short_id"]
    watching.until(lambda: len(bucket.listed("out/")) == 3, "all reports to be told")
    status_key = f"out/items.csv.{short_id}.status.json"
    watching.until(lambda: bucket.get(status_key) == report.path.read_bytes(), "the final status to be told")
    assert bucket.listed("done/") == [f"done/items.csv.{short_id}"]
    assert bucket.get(f"done/items.csv.{short_id}") == ITEMS.encode()
    watching.until(lambda: not watching.leftovers(), "the spool to be empty")
