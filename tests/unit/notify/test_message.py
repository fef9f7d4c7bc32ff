"""What people read: what happened, what to do, which file and how many rows; never a cell of the data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ingester.domain import notice
from ingester.domain.alert import AlertKind
from ingester.domain.errors import UsageError
from ingester.domain.status import Origin, Outcome, Status
from ingester.notify import event, fact, message
from ingester.notify.event import Event
from ingester.store.ledger_tables import Alert, Drop, Import

AT = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
STATS = {"total_rows": 1200, "valid_rows": 1100, "error_rows": 100, "duplicate_rows": 0, "created_count": 1100}


def facts(status: Status, outcome: Outcome | None = None, name: str = "crm.csv", **values: Any) -> dict[str, Any]:
    drop = Drop(
        id="d", tenant="acme", origin=Origin.SFTP, name=name, size=2048, sha256="", location="", shown_folder="",
        shown_name=name, landed_at=AT,
    )  # fmt: skip
    job = Import(
        id="7f3a9c2e-0000", short_id="7f3a9c2e", tenant="acme", drop_id="d", feed="crm", entity="customer",
        status=status, outcome=outcome, created_at=AT, completed_at=AT, due_at=AT, **values,
    )  # fmt: skip
    return fact.of_import(job, drop, event.of_import(status, outcome)[0])


def test_a_partial_import_says_which_file_and_how_many_rows() -> None:
    title, text = message.write(facts(Status.COMPLETED, Outcome.PARTIAL, stats=STATS), "customer")
    assert title == "[ingester] acme: crm.csv partial"
    assert "rows:   1,200 read, 1,100 valid, 100 refused, 1,100 created" in text
    assert "crm.csv.7f3a9c2e.errors.csv" in text
    assert "ingester imports" not in text


def test_an_operator_is_told_the_command() -> None:
    held = facts(Status.NEEDS_ATTENTION, reason="mass_removal", message="The file leaves out 7 of 9 records")
    _, text = message.write(held, "operator")
    assert "ingester imports approve 7f3a9c2e" in text
    assert "What happened: The file leaves out 7 of 9 records." in text
    _, text = message.write(held, "customer")
    assert "ingester imports" not in text
    assert notice.CATALOGUE["mass_removal"].hint in text


def test_what_a_file_says_of_itself_is_not_passed_on() -> None:
    quoting = {
        "duplicate_column": "The column name jane@example.com appears more than once",
        "unreadable_file": "The file cannot be read: line 3 is jane@example.com",
        "possibly_truncated": "The last record is cut off: jane@example.com",
        "missing_column": "Required column jane@example.com is missing",
        "a_code_of_somebodys_rule": "jane@example.com",
    }
    for reason, said in quoting.items():
        content = facts(Status.FAILED, reason=reason, message=said)
        assert "jane" not in str(content)
        assert "jane" not in "".join(message.write(content, "operator"))


@pytest.mark.parametrize("reason", sorted(notice.CATALOGUE))
def test_every_reason_can_be_told(reason: str) -> None:
    for status in (Status.FAILED, Status.NEEDS_ATTENTION):
        for audience in ("operator", "customer"):
            title, text = message.write(facts(status, reason=reason, message="Said"), audience)
            assert reason in title
            assert "{" not in text


def test_a_long_name_does_not_fill_the_title() -> None:
    title, text = message.write(facts(Status.COMPLETED, Outcome.ACCEPTED, name="x" * 255), "operator")
    assert len(title) < 130
    assert "x" * 255 in text


@pytest.mark.parametrize("kind", AlertKind)
def test_every_alert_can_be_told_raised_and_resolved(kind: AlertKind) -> None:
    alert = Alert(id=4, tenant="acme", feed="crm", kind=kind, subject="s", message="No file came", raised_at=AT)
    title, text = message.write(fact.of_alert(alert), "operator")
    assert title == f"[ingester] acme: crm {kind.value.replace('_', ' ')}"
    assert "ingester alerts show 4" in text
    alert.resolved_at, alert.resolved_by = AT, "import 7f3a9c2e"
    title, text = message.write(fact.of_alert(alert), "customer")
    assert title.endswith(", resolved")
    assert "by import 7f3a9c2e" in text
    assert "ingester alerts" not in text


def test_an_import_is_told_by_its_end() -> None:
    assert event.of_import(Status.COMPLETED, Outcome.REJECTED) == (Event.REJECTED, Event.COMPLETED)
    assert event.of_import(Status.COMPLETED, Outcome.DUPLICATE) == (Event.COMPLETED,)
    assert event.of_import(Status.TIMED_OUT, None) == (Event.FAILED,)
    assert event.of_import(Status.NEEDS_ATTENTION, None) == (Event.HELD,)
    for quiet in (Status.QUEUED, Status.PROCESSING, Status.CANCELED, Status.REQUESTED):
        assert event.of_import(quiet, None) == ()


def test_events_are_named_one_by_one_or_all() -> None:
    assert event.parse("failed, late,failed") == (Event.FAILED, Event.LATE)
    assert event.parse("all") == tuple(Event)
    with pytest.raises(UsageError, match="no event 'sneezed'"):
        event.parse("failed,sneezed")
