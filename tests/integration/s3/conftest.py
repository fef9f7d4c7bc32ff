"""A bucket of one's own on a real server, behind a proxy that can break what it passes on, and a watch to be driven."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingester.watch.s3.client import Clients
from tests.integration.engine.harness import Engine
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


@pytest.fixture(scope="module")
def shared_proxy(s3_server: S3Server) -> Iterator[Proxy]:
    proxy = Proxy(s3_server.host, s3_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def proxy(shared_proxy: Proxy) -> Proxy:
    shared_proxy.forget()
    return shared_proxy


@pytest.fixture(scope="module")
def clients() -> Clients:
    """Shared by tests as by inboxes: making a client takes longer than most of them."""
    return Clients(read_seconds=10.0)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of an engine with the tenant `acme`, to be copied: much quicker than making one."""
    root = tmp_path_factory.mktemp("template") / "data"
    engine = Engine(root)
    engine.add_tenant()
    engine.close()
    return root


@pytest.fixture
def desk(tmp_path: Path, data_dir: Path, bucket: Bucket, proxy: Proxy, clients: Clients) -> Iterator[Desk]:
    """An engine with the tenant `acme`, whose bucket it watches when the test says so."""
    shutil.copytree(data_dir, tmp_path / "data")
    desk = Desk(tmp_path / "data", bucket, proxy, clients)
    yield desk
    desk.close()
