"""Real receivers on this machine, which a guard that is told so lets be reached."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from ingester.notify.delivery import Delivery
from ingester.notify.event import Event
from ingester.notify.guard import Guard
from ingester.notify.notification import announce
from ingester.notify.send import Sender
from ingester.notify.target import Targets
from ingester.settings import NotifySettings, SmtpSettings
from ingester.store.database import sqlite_url
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Notification
from ingester.store.tenant import Tenants
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


AT = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


@dataclass
class Post:
    """A ledger with two tenants, what is announced in it and what is delivered; the clock is the test's."""

    ledger: Ledger
    folder: Path
    guard: Guard
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.targets = Targets(self.ledger)
        for tenant in ("acme", "globex"):
            Tenants(self.ledger).add(tenant, ["shop"])
        (self.folder / "key").write_text("s3cret")

    def add(self, receiver: Receiver | str, name: str = "hook", tenant: str = "acme", **more: Any) -> None:
        """A webhook, told of every event, or an address of another kind."""
        hook = isinstance(receiver, Receiver)
        address = f"http://hooks.example.com:{receiver.port}/hook" if isinstance(receiver, Receiver) else receiver
        more.setdefault("secrets", [f"file:{self.folder / 'key'}"] if hook else [])
        self.targets.add(tenant, name, address, tuple(Event), **more)

    def announce(self, count: int = 1, *, tenant: str = "acme", at: datetime = AT, event: Event = Event.FAILED) -> None:
        """Files that failed, one after the other."""
        with self.ledger.writing() as session:
            for number in itertools.islice(self._numbers, count):
                content = {"event": event.value, "tenant": tenant, "short_id": f"{number:08}"}
                content["file"] = {"name": f"f{number}.csv"}
                about = {"tenant": tenant, "feed": None, "events": (event,), "occasion": f"import/{number}"}
                announce(session, **about, content=content, at=at)

    def delivery(self, **settings: Any) -> Delivery:
        notify = NotifySettings(allow_http=True, **settings)
        return Delivery(self.ledger, Sender(notify, SmtpSettings(), self.folder, self.guard), notify)

    def deliver(self, seconds: float = 0, **settings: Any) -> int:
        """Deliver what is due so many seconds later."""
        return self.delivery(**settings).deliver(AT + timedelta(seconds=seconds))

    @property
    def rows(self) -> list[Notification]:
        """Every notification, in the order in which they were announced."""
        return [row for row, _ in reversed(self.targets.told(None, None, 1000))]

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.rows]


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger to be copied: quicker than making one for each test."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    Ledger.open(sqlite_url(path)).close()
    return path


@pytest.fixture
def post(empty_ledger: Path, tmp_path: Path, guard: Guard) -> Iterator[Post]:
    ledger = Ledger.open(sqlite_url(Path(shutil.copy(empty_ledger, tmp_path))))
    yield Post(ledger, tmp_path, guard)
    ledger.close()


@pytest.fixture(params=["sqlite", "postgres"])
def any_post(request: pytest.FixtureRequest, tmp_path: Path, guard: Guard) -> Iterator[Post]:
    """On either database."""
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else sqlite_url(tmp_path / "ledger.db")
    ledger = Ledger.open(url)
    yield Post(ledger, tmp_path, guard)
    ledger.close()
