"""A bucket of one's own on a real server, behind a proxy that can break what it passes on, and a watch to be driven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.s3.desk import Desk
from tests.proxy import Proxy
from tests.s3 import CREDENTIALS, Bucket, S3Server, running_server


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return s3_server.new_bucket()


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[Proxy]:
    proxy = Proxy(s3_server.host, s3_server.port)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def desk(tmp_path: Path, bucket: Bucket, proxy: Proxy) -> Iterator[Desk]:
    """An engine with the tenant `acme`, whose bucket it watches when the test says so."""
    desk = Desk(tmp_path / "data", bucket, proxy)
    yield desk
    desk.close()
