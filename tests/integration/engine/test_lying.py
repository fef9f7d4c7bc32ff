"""What lies in inboxes for too long: somebody is alerted after a day, and after a week it goes. Time is passed in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ingester.alert import alerts
from ingester.domain.status import CompleteOn
from ingester.settings import FolderSettings, RetentionSettings
from ingester.store.database import now
from ingester.store.ledger_tables import Alert
from ingester.store.retention import Retention
from ingester.watch.inbox import Inbox
from ingester.watch.lying import Lying
from tests.integration.engine.harness import SHOP, Engine

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
SETTINGS = FolderSettings(complete_on=CompleteOn.MARKER)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "data", SHOP)
    engine.add_tenant()
    yield engine
    engine.close()


@pytest.fixture
def inbox(engine: Engine) -> Inbox:
    def rule(folder: str, name: str) -> CompleteOn:
        return CompleteOn.MARKER if name.startswith("items") else CompleteOn.STABLE

    return Inbox("acme", engine.directory.tenant("acme").inbox, SETTINGS, rule)


@pytest.fixture
def lying(engine: Engine) -> Lying:
    return Lying(engine.ledger, SETTINGS)


def told(engine: Engine, *, everything: bool = False) -> list[Alert]:
    return sorted(alerts(engine.ledger, everything=everything), key=lambda alert: alert.subject)


def for_a_week(lying: Lying, inbox: Inbox) -> None:
    for look in range(6):
        lying.sweep([inbox], now() + WEEK + look * HOUR)


def test_an_unfinished_name_is_told_of_after_a_day_and_goes_after_a_week(
    engine: Engine, inbox: Inbox, lying: Lying
) -> None:
    (inbox.root / "customer").mkdir()
    (inbox.root / "customer" / "big.csv.filepart").write_text("half")
    lying.sweep([inbox], now() + DAY - HOUR)
    assert told(engine) == []
    for _ in range(2):
        lying.sweep([inbox], now() + DAY + HOUR)
    (alert,) = told(engine)
    assert (alert.tenant, alert.kind, alert.message) == (
        "acme", "stale_upload", "big.csv.filepart lies in the inbox unfinished",
    )  # fmt: skip
    assert alert.subject.startswith("customer/big.csv.filepart:4:")
    for_a_week(lying, inbox)
    assert not list((inbox.root / "customer").iterdir())
    assert told(engine) == []
    (resolved,) = told(engine, everything=True)
    assert resolved.resolved_by == "it is gone"
    (removal,) = Retention(engine.ledger, RetentionSettings()).removals("acme")
    assert (removal.place, removal.what, removal.size) == ("inbox", "customer/big.csv.filepart", 4)


def test_one_that_is_written_again_or_renamed_is_young_again(engine: Engine, inbox: Inbox, lying: Lying) -> None:
    path = inbox.root / "a.csv.part"
    path.write_text("half")
    lying.sweep([inbox], now() + DAY)
    path.rename(inbox.root / "b.csv.part")
    lying.sweep([inbox], now() + HOUR)
    assert told(engine) == []


def test_a_clock_that_jumps_removes_nothing(engine: Engine, inbox: Inbox, lying: Lying) -> None:
    (inbox.root / "a.csv.part").write_text("half")
    lying.sweep([inbox], now() + 1000 * DAY)
    lying.sweep([inbox], now())
    lying.sweep([inbox], now() + 1000 * DAY)
    assert (inbox.root / "a.csv.part").exists()


def test_a_marker_without_its_file_is_told_of_after_an_hour_and_goes_after_a_week(
    engine: Engine, inbox: Inbox, lying: Lying
) -> None:
    (inbox.root / "items.csv.done").touch()
    (inbox.root / "items_2.csv.done").touch()
    (inbox.root / "items_2.csv").touch()
    lying.sweep([inbox], now() + HOUR / 2)
    assert told(engine) == []
    lying.sweep([inbox], now() + 2 * HOUR)
    (alert,) = told(engine)
    assert alert.kind == "orphan_marker"
    assert "items.csv.done" in alert.message
    (inbox.root / "items.csv").touch()
    lying.sweep([inbox], now() + 3 * HOUR)
    assert told(engine) == []
    (inbox.root / "items.csv").unlink()
    for_a_week(lying, inbox)
    assert sorted(path.name for path in inbox.root.iterdir()) == ["items_2.csv", "items_2.csv.done"]


def test_a_file_that_waits_for_its_marker_or_cannot_be_taken_is_told_of_and_never_removed(
    engine: Engine, inbox: Inbox, lying: Lying
) -> None:
    (inbox.root / "items.csv").touch()
    (inbox.root / "stuck.csv").touch()
    (inbox.root / os.fsdecode(b"\xff.csv")).touch()
    for_a_week(lying, inbox)
    assert [alert.message for alert in told(engine)] == [
        "items.csv lies in the inbox and waits for its done-marker",
        "stuck.csv lies in the inbox and cannot be taken",
        "\N{REPLACEMENT CHARACTER}.csv lies in the inbox and cannot be taken",
    ]
    assert (inbox.root / "items.csv").exists()
    assert (inbox.root / "stuck.csv").exists()


def test_under_legal_hold_nothing_goes(engine: Engine, inbox: Inbox, lying: Lying) -> None:
    (inbox.root / "a.csv.part").write_text("half")
    Retention(engine.ledger, RetentionSettings()).hold("acme", "case 1")
    for_a_week(lying, inbox)
    assert (inbox.root / "a.csv.part").exists()
