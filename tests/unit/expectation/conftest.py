"""A ledger with a tenant in Berlin and a feed of it, whose drops come when a test says."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlmodel import col

from ingester import consequence
from ingester.alert import alerts
from ingester.domain.status import Origin, Outcome, Status
from ingester.expectation.lateness import Lateness
from ingester.feed import declare
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import RuleSet
from ingester.store.database import sqlite_url
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import
from ingester.store.tenant import Tenants

SHOP = RuleSet({"shop": load_folder(Path(__file__).parents[2] / "integration" / "engine" / "shop")})


def moment(text: str) -> datetime:
    """`11-23 02:30` in UTC, of 2026."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


@dataclass
class Office:
    """What an operator does and sees, and what customers send; the clock is the test's."""

    ledger: Ledger
    lateness: Lateness = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.lateness = Lateness(self.ledger)
        Tenants(self.ledger).add("acme", ["shop"], "Europe/Berlin")

    def feed(self, name: str = "nightly", **expects: object) -> None:
        """Declare the tenant's only feed."""
        declared = declare(name=name, entity="item", pattern="*", expects=expects or None)
        tenants = Tenants(self.ledger)
        tenants.replace_feeds("acme", [declared.feed(tenants.get("acme"), SHOP)])

    def look(self, at: str) -> list[str]:
        """Look at a moment; the open alerts then."""
        self.lateness.look(moment(at))
        return self.open

    def drop(self, at: str, status: Status = Status.COMPLETED, rows: int = 10, **values: object) -> str:
        """A drop that landed at a moment and whose import has come so far; the import's id."""
        name, tenant = f"drop{next(self._numbers)}", str(values.pop("tenant", "acme"))
        landed_at = moment(at)
        drop = Drop(
            id=name, tenant=tenant, origin=Origin.SFTP, name=name, size=1, sha256="", location=f"drops/{name}",
            shown_folder="", shown_name=name, landed_at=landed_at,
        )  # fmt: skip
        given = {"feed": "nightly", "due_at": landed_at, "created_at": landed_at, **values}
        job = Import(id=name, short_id=name, tenant=tenant, drop_id=name, catalogue="shop", entity="item", **given)
        self.ledger.land([(drop, job)])
        if status is not Status.QUEUED:
            self.end(name, status, rows)
        return name

    def end(self, import_id: str, status: Status, rows: int = 10, **values: object) -> None:
        """Let an import come to a status, as the queue does."""
        said = {"outcome": Outcome.ACCEPTED, "stats": {"total_rows": rows}} if status is Status.COMPLETED else {}
        with self.ledger.writing() as session:
            changed = update(Import).where(col(Import.id) == import_id)
            session.exec(changed.values(status=status, **{**said, **values}))
            consequence.follow(session, import_id)

    @property
    def open(self) -> list[str]:
        """The open alerts, oldest first: `late 11-23 02:30`, or of sizes `empty drop3`."""
        return [
            f"{alert.kind} {alert.due_at:%m-%d %H:%M}" if alert.due_at else f"{alert.kind} {alert.import_id}"
            for alert in reversed(alerts(self.ledger))
        ]

    @property
    def history(self) -> list[tuple[str, str | None]]:
        """Every alert there ever was, oldest first, and what ended it."""
        found = reversed(alerts(self.ledger, everything=True))
        return [(f"{alert.kind} {alert.due_at:%m-%d %H:%M}", alert.resolved_by) for alert in found if alert.due_at]


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger to be copied: quicker than making one for each test."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    Ledger.open(sqlite_url(path)).close()
    return path


@pytest.fixture
def office(empty_ledger: Path, tmp_path: Path) -> Iterator[Office]:
    ledger = Ledger.open(sqlite_url(Path(shutil.copy(empty_ledger, tmp_path))))
    yield Office(ledger)
    ledger.close()


@pytest.fixture
def any_office(any_ledger: Ledger) -> Office:
    """On either database."""
    return Office(any_ledger)
