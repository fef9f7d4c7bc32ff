"""What is told of real imports: each end and hold once, in the very transaction, and never a cell of the data."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from ingester import consequence
from ingester.alert import alerts
from ingester.domain.errors import TransientError
from ingester.domain.status import Status
from ingester.expectation.lateness import Lateness
from ingester.feed import declare
from ingester.notify.event import Event
from ingester.notify.target import Targets
from ingester.store.database import now
from tests.integration.engine.harness import Engine

HEAD = "external_id,label,price\n"


@pytest.fixture
def told(engine: Engine) -> Targets:
    """A target that is told everything."""
    targets = Targets(engine.ledger)
    targets.add("acme", "ops", "mailto:ops@example.com", tuple(Event))
    return targets


def events(targets: Targets) -> list[str]:
    return [row.event for row, _ in reversed(targets.told(None, None, 100))]


def test_every_end_and_every_hold_is_told_once(engine: Engine, told: Targets) -> None:
    engine.take("items_1.csv", HEAD + "A,secret-label,1\n")
    engine.take("items_2.csv", HEAD + "A,secret-label,1\nB,,secret-price\n")
    engine.take("items_3.csv", HEAD + "C,,secret-price\n")
    engine.take("items_4.csv", "")
    engine.take("validate.csv", HEAD + "D,,secret-price\n", folder="validate/item")
    engine.drop("secret.txt", "who knows")
    assert events(told) == ["completed", "partial", "rejected", "failed", "failed"]

    job = engine.drop("items_5.csv", HEAD + 'E,"secret-la')
    engine.work()
    engine.decisions.approve(engine.job(job), engine.drop_of(job))
    engine.work()
    assert events(told)[5:] == ["held", "rejected"], "the hold, and what became of it"

    again = engine.drop("items_1.csv", HEAD + "A,secret-label,1\n")
    engine.work()
    assert events(told)[7:] == ["completed"]
    engine.queue.complete(engine.job(again), engine.job(again).outcome, location="x", stats=engine.job(again).stats)
    assert len(events(told)) == 8, "an import that is completed twice is told once"

    contents = [row.content for row, _ in told.told(None, None, 100)]
    assert "secret-" not in str(contents)
    assert {content["file"]["name"] for content in contents} > {"items_1.csv", "secret.txt"}


def test_an_import_whose_end_is_not_recorded_is_not_told(
    engine: Engine, told: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = consequence.follow

    def trip(session: Session, import_id: str) -> None:
        follow(session, import_id)
        raise TransientError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(consequence, "follow", trip)
        engine.drop("items_1.csv", HEAD + "A,a,1\n")
        engine.work()
    assert events(told) == []
    engine.make_due()
    engine.work()
    assert events(told) == ["completed"]


def test_a_feed_that_waits_for_its_file_is_told_of_it(engine: Engine, told: Targets) -> None:
    due = now().replace(second=0, microsecond=0) + timedelta(hours=1)
    declared = declare(name="nightly", entity="item", pattern="*", expects={"by": f"{due:%H:%M}", "min_rows": 2})
    engine.tenants.add_feed(declared.feed(engine.tenants.get("acme"), engine.rules))
    lateness = Lateness(engine.ledger)
    for minutes in (-30, 1, 2, 3):
        lateness.look(due + timedelta(minutes=minutes))
    assert [alert.kind for alert in alerts(engine.ledger)] == ["late"]
    # It lands before it is due, by the clock of this machine; so the alert would not have been raised.
    job = engine.drop("items.csv", HEAD + "A,a,1\n")
    engine.work()
    assert engine.job(job).status is Status.COMPLETED
    lateness.look(due + timedelta(minutes=4))
    assert [(alert.kind, alert.import_id) for alert in alerts(engine.ledger)] == [("shrunken", job.id)]
    engine.take("more.csv", HEAD + "A,a,1\nB,b,2\n")
    assert alerts(engine.ledger) == []
    said = sorted((row.event, row.content.get("state", "")) for row, _ in told.told(None, None, 100))
    assert said == [
        ("completed", ""),
        ("completed", ""),
        ("late", "raised"),
        ("late", "resolved"),
        ("shrunken", "raised"),
        ("shrunken", "resolved"),
    ]
