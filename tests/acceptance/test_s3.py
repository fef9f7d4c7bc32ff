"""A bucket as a customer's way in: files are put with boto3, reports are found in the bucket, operators see to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process import memory
from tests.report import Report, assert_reconciles
from tests.s3 import CREDENTIALS, KEY_VARIABLE, SECRET_VARIABLE, Bucket, S3Server, running_server
from tests.service import Service

PRODUCTS = "external_id,name,price\nP1,Wash,10.00\nP2,,20.00\n"


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return s3_server.new_bucket()


@pytest.fixture
def service(launch: Callable[..., Service]) -> Service:
    """A data directory with a tenant, whose service would know the bucket's credentials."""
    service = launch()
    service._environment |= CREDENTIALS | {"INGESTER_S3__LOOK_SECONDS": "0.2", "AWS_EC2_METADATA_DISABLED": "true"}
    service.run("tenant", "add", "acme")
    return service


def add(service: Service, bucket: Bucket, name: str = "main", *more: str) -> Any:
    words = ("--bucket", bucket.name, "--endpoint-url", bucket.server.url, "--addressing", "path")
    keys = ("--access-key-env", KEY_VARIABLE, "--secret-key-env", SECRET_VARIABLE)
    return json.loads(service.run("s3", "add", "acme", name, *words, *keys, *more, "--json").stdout)


def test_an_object_is_imported_and_its_reports_come_back_under_the_prefix(
    service: Service, bucket: Bucket, tmp_path: Path
) -> None:
    service.start(fresh=True)
    # While the service runs.
    more = ("--prefix", "incoming", "--outbox-prefix", "outbox", "--poll-seconds", "1")
    add(service, bucket, "main", *more, "--after", "move", "--move-to", "done")
    bucket.put("incoming/products.csv", PRODUCTS)
    deadline = time.monotonic() + 30
    while bucket.listed("incoming/"):
        assert time.monotonic() < deadline, service.log[-4000:]
        time.sleep(0.05)
    for key in bucket.listed("outbox/"):
        (tmp_path / key.removeprefix("outbox/")).write_bytes(bucket.get(key))
    (path,) = tmp_path.glob("products.csv.*.status.json")
    report = Report.read(path)
    assert_reconciles(report)
    assert (report.status["outcome"], report.status["file"]["origin"]) == ("partial", "s3")
    assert [line["code"] for line in report.errors] == ["required"]
    assert bucket.listed("done/") == [f"done/products.csv.{report.status['short_id']}"]
    assert memory(service.leader) < 400 * 2**20
    assert not [value for value in CREDENTIALS.values() if value in service.log]


def test_an_operator_adds_lists_shows_checks_and_removes_inboxes(service: Service, bucket: Bucket) -> None:
    queue = bucket.server.new_queue()
    bucket.put("in/products.csv", PRODUCTS)
    said = add(
        service,
        bucket,
        *("main", "--prefix", "/in", "--outbox-prefix", "out", "--folder", "product/", "--sqs-queue-url", queue.url),
    )
    assert said.pop("created_at")
    assert said == {
        "name": "main",
        "bucket": bucket.name,
        "prefix": "in/",
        "endpoint_url": bucket.server.url,
        "region": None,
        "addressing": "path",
        "profile": None,
        "access_key_variable": KEY_VARIABLE,
        "secret_key_variable": SECRET_VARIABLE,
        "credentials_file": None,
        "folder": "product",
        "after": "keep",
        "move_prefix": None,
        "sqs_queue_url": queue.url,
        "outbox_prefix": "out/",
        "poll_seconds": 30.0,
        "position": None,
        "trouble": None,
        "trouble_since": None,
    }
    assert [each["name"] for each in json.loads(service.run("s3", "list", "acme", "--json").stdout)] == ["main"]
    assert "main" in service.run("s3", "list", "acme").stdout
    assert "folder: product" in service.run("s3", "show", "acme", "main").stdout.splitlines()
    checked = json.loads(service.run("s3", "check", "acme", "--json").stdout)
    assert {each["step"]: each["ok"] for each in checked} == dict.fromkeys(
        ["list", "read", "write outbox", "queue"], True
    )
    assert bucket.listed() == ["in/products.csv"]
    assert "removed" in service.run("s3", "remove", "acme", "main").stdout
    assert json.loads(service.run("s3", "list", "acme", "--json").stdout) == []


def test_what_makes_no_sense_is_refused_and_a_check_names_what_is_wrong(service: Service, bucket: Bucket) -> None:
    refused = service.run("s3", "add", "acme", "main", "--bucket", "exchange", "--folder", "nonsense", check=False)
    assert (refused.returncode, "has no folder 'nonsense'" in refused.stderr) == (1, True)
    add(service, bucket, "gone", "--prefix", "in/")
    bucket.client.delete_bucket(Bucket=bucket.name)
    done = service.run("s3", "check", "acme", "gone", check=False)
    assert done.returncode == 1
    assert "list: FAILED: ListObjectsV2: NoSuchBucket" in done.stdout
    assert "s3:ListBucket" in done.stdout
