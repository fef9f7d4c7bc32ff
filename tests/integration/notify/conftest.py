"""Real receivers on this machine, which a guard that is told so lets be reached."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from ingester.notify.guard import Guard
from tests.receiver import Receiver, leads_to, make_certificate

HOME = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver().start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the host `hooks.example.com`."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem", "hooks.example.com")


@pytest.fixture
def tls_receiver(certificate: Path) -> Iterator[Receiver]:
    running = Receiver(certificate).start()
    yield running
    running.stop()


@pytest.fixture
def guard() -> Guard:
    """Every name is this machine, and this machine is allowed."""
    return Guard(HOME, leads_to("127.0.0.1"))


@pytest.fixture(scope="session")
def localhost_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the host `localhost`."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "localhost.pem", "localhost")
