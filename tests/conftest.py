"""What every test may ask for: running services, tenants, and system programs by name."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from ingester import log
from tests.postgres import Postgres, PostgresServer, make_home, shared_server
from tests.scratch import scratch_root
from tests.service import Service
from tests.tenant import Tenant
from tests.warm import Warm

#: System programs that tests drive, and the Debian packages that bring them; `.ci/run` installs the same.
DEBIAN_PACKAGES = {
    "gpg": "gnupg",
    "sftp": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-analyze": "systemd",
}

# How long an example takes says more about the machine than about the code. The same examples every time: what another
# day's chance finds should not stop somebody else's change. `make explore` leaves it to chance.
hypothesis.settings.register_profile("ingester", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("ingester")

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Keep scratch files where they cost least, and log as a service does.

    Left to itself, structlog adds the value of every local variable to a traceback: seconds, for an engine's.
    """
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch_root()))
    log.configure("console", "INFO")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a program that is not here; `.ci/run` fails on reasons that begin with `needs `."""
    for item in items:
        for marker in item.iter_markers("needs"):
            (program,) = marker.args
            if program not in DEBIAN_PACKAGES:
                raise pytest.UsageError(f"{item.nodeid} needs {program}: name its package in DEBIAN_PACKAGES")
            if shutil.which(program) is None:
                item.add_marker(pytest.mark.skip(reason=f"needs {program}: install {DEBIAN_PACKAGES[program]}"))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Iterator[Service]:
    """A running service with the shipped rules, shared by the tests of one process; take a `tenant` of your own."""
    running = Service(tmp_path_factory.mktemp("service"), warm=warm)
    running.start(fresh=True)
    try:
        yield running
        running.stop()
    finally:
        running.kill()


@pytest.fixture
def tenant(service: Service) -> Tenant:
    """A fresh tenant of the shared service, with the catalogue `field_service`."""
    return service.add_tenant(f"tenant{next(_numbers)}", "field_service")


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """What programs are forked from where a test is about what they do, not about how they start."""
    found = Warm()
    yield found
    found.close()


@pytest.fixture
def launch(tmp_path: Path, warm: Warm) -> Iterator[Callable[..., Service]]:
    """Make services of one's own, to configure, stop and kill; `launch(rules=[folder])` returns one not yet started."""
    made: list[Service] = []

    def make(*, rules: list[Path] | None = None) -> Service:
        scratch = tmp_path / f"service{len(made) + 1}"
        scratch.mkdir()
        made.append(Service(scratch, rules=rules or [], warm=warm))
        return made[-1]

    try:
        yield make
        for service in made:
            service.stop()
    finally:
        for service in made:
            service.kill()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    """A real PostgreSQL, one for all workers of a test run; do not stop it: for that there is `postgres_server`."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        return shared_server(common.parent, owner=os.getppid())
    return shared_server(common, owner=os.getpid())


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, empty PostgreSQL database."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL of one's own, to restart and to kill."""
    server = PostgresServer(make_home())
    server.start()
    yield server
    server.remove()
