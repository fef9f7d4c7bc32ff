"""Late and missing drops: alerted of once, resolved when they arrive. Berlin's 02:30 is 01:30 UTC in November."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ingester.domain.status import Status

Office = Any


def test_a_drop_that_does_not_come_is_late_once_and_no_longer_when_it_comes(any_office: Office) -> None:
    office = any_office
    office.feed(by="02:30", grace="30m")
    assert office.look("11-22 12:00") == []
    assert office.look("11-23 01:30") == []
    assert office.look("11-23 02:00") == [], "within its grace"
    assert office.look("11-23 02:01") == ["late 11-23 01:30"]
    for minute in range(2, 20):
        assert office.look(f"11-23 02:{minute:02}") == ["late 11-23 01:30"]
    office.drop("11-23 02:20")
    assert office.look("11-23 02:20:05") == []
    assert office.look("11-24 01:00") == []
    assert office.history == [("late 11-23 01:30", "import drop1")]


def test_a_drop_in_time_or_within_grace_is_not_alerted_of(office: Office) -> None:
    office.feed(by="02:30", grace="30m")
    office.look("11-22 12:00")
    office.drop("11-22 22:00")
    assert office.look("11-23 02:01") == []
    office.drop("11-24 01:59")
    assert office.look("11-24 02:01") == []
    assert office.look("11-25 02:01") == ["late 11-25 01:30"], "the one of yesterday's grace does not count for today"


def test_a_drop_counts_that_came_before_anybody_looked(office: Office) -> None:
    office.drop("11-22 20:00")
    office.feed(by="02:30")
    office.look("11-22 23:00")
    assert office.look("11-23 01:31") == []


def test_what_was_due_before_it_was_expected_is_not_asked_for(office: Office) -> None:
    office.feed(by="02:30")
    assert office.look("11-23 05:00") == []
    assert office.look("11-24 01:29") == []


def test_what_never_comes_is_missing_when_the_next_is_due(any_office: Office) -> None:
    office = any_office
    office.feed(by="02:30", grace="30m")
    office.look("11-22 12:00")
    assert office.look("11-23 02:01") == ["late 11-23 01:30"]
    assert office.look("11-24 01:29") == ["late 11-23 01:30"]
    assert office.look("11-24 01:30") == ["missing 11-23 01:30"]
    assert office.look("11-24 02:01") == ["missing 11-23 01:30", "late 11-24 01:30"]
    office.drop("11-24 03:00")
    assert office.look("11-24 03:01") == []
    assert office.history == [
        ("late 11-23 01:30", "missing"),
        ("missing 11-23 01:30", "import drop1"),
        ("late 11-24 01:30", "import drop1"),
    ]


def test_a_late_drop_is_not_that_of_the_next_day(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.look("11-23 01:31")
    office.drop("11-23 03:00")
    assert office.look("11-23 03:01") == []
    assert office.look("11-24 01:31") == ["late 11-24 01:30"]


def test_after_a_day_left_out_the_next_drop_is_in_time(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    assert office.look("11-23 01:31") == ["late 11-23 01:30"]
    office.drop("11-24 01:00")
    assert office.look("11-24 01:01") == []
    assert office.look("11-24 01:31") == [], "the drop of the night is that night's"
    assert office.look("11-25 01:31") == ["late 11-25 01:30"]


def test_with_a_window_an_early_correction_is_not_the_next_drop(office: Office) -> None:
    office.feed(by="02:30", window="4h")
    office.look("11-22 12:00")
    office.drop("11-23 01:00")
    office.drop("11-23 09:00")
    assert office.look("11-23 12:00") == []
    assert office.look("11-24 01:31") == ["late 11-24 01:30"]


def test_several_drops_of_one_night_are_that_nights(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    for minute in (0, 5, 10):
        office.drop(f"11-23 01:{minute:02}")
    assert office.look("11-23 01:31") == []
    assert office.look("11-24 01:31") == ["late 11-24 01:30"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED, Status.TIMED_OUT, Status.EXPIRED])
def test_a_drop_that_failed_has_not_come(office: Office, status: Status) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.drop("11-23 01:00", status)
    assert office.look("11-23 01:31") == ["late 11-23 01:30"]


def test_a_dry_run_is_no_drop(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.drop("11-23 01:00", dry_run=True)
    assert office.look("11-23 01:31") == ["late 11-23 01:30"]


def test_a_drop_of_another_feed_is_none_of_this(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.drop("11-23 01:00", feed="other")
    assert office.look("11-23 01:31") == ["late 11-23 01:30"]


def test_a_drop_that_is_being_imported_is_not_late_until_it_fails(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    drop = office.drop("11-23 01:29", Status.QUEUED)
    assert office.look("11-23 01:31") == []
    office.end(drop, Status.FAILED, reason="unreadable_file")
    assert office.look("11-23 01:32") == ["late 11-23 01:30"]


def test_a_late_drop_resolves_the_alert_when_its_import_is_done_not_before(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.look("11-23 01:31")
    drop = office.drop("11-23 01:40", Status.QUEUED)
    assert office.look("11-23 01:41") == ["late 11-23 01:30"]
    office.end(drop, Status.FAILED, reason="unreadable_file")
    assert office.look("11-23 01:42") == ["late 11-23 01:30"]
    office.drop("11-23 01:50", Status.NEEDS_ATTENTION)
    assert office.look("11-23 01:51") == [], "a file that waits for a decision is there"


def test_nothing_is_late_on_a_holiday(office: Office) -> None:
    # 14 May 2026 is Ascension Day, a Thursday.
    office.feed(by="12:00", days="mon-fri", holidays="DE")
    office.look("05-13 09:00")
    office.drop("05-13 09:30")
    assert office.look("05-14 23:00") == []
    assert office.look("05-15 10:01") == ["late 05-15 10:00"]


def test_the_hour_that_does_not_exist_is_late_once(office: Office) -> None:
    office.feed(by="02:30")
    office.drop("03-27 12:00")
    office.look("03-28 12:00")
    assert office.look("03-29 01:30") == []
    assert office.look("03-29 01:31") == ["late 03-29 01:30"]
    assert office.look("03-29 12:00") == ["late 03-29 01:30"]


def test_the_hour_that_comes_twice_is_late_once_and_only_after_the_second(office: Office) -> None:
    office.feed(by="02:30")
    office.look("10-24 12:00")
    assert office.look("10-25 00:45") == [], "02:45 for the first time"
    assert office.look("10-25 01:15") == [], "02:15 for the second time"
    assert office.look("10-25 01:31") == ["late 10-25 01:30"]
    office.drop("10-25 02:00")
    assert office.look("10-25 12:00") == []
    assert len(office.history) == 1


def test_every_hour_of_the_day_that_has_25_is_waited_for(office: Office) -> None:
    office.feed(cron="0 * * * *")
    office.look("10-24 21:30")
    for hour in range(22, 24):
        office.drop(f"10-24 {hour - 1}:50")
        assert office.look(f"10-24 {hour}:01") == []
    office.look("10-25 00:01")
    for hour in range(1, 5):
        office.drop(f"10-25 0{hour - 1}:50")
        assert office.look(f"10-25 0{hour}:01") == []
    assert [alert for alert, _ in office.history] == ["late 10-25 00:00"]


def test_two_schedulers_alert_once(any_office: Office) -> None:
    office = any_office
    office.feed(by="02:30")
    office.look("11-22 12:00")
    threads = [threading.Thread(target=office.look, args=("11-23 01:31",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert office.history == [("late 11-23 01:30", None)]


def test_after_a_long_silence_only_the_last_due_moments_are_judged(office: Office) -> None:
    office.feed(by="02:30")
    office.look("09-01 12:00")
    found = office.look("11-23 12:00")
    assert len(found) == 10
    assert found[-1] == "late 11-23 01:30"
    assert all(alert.startswith("missing") for alert in found[:-1])


def test_a_drop_that_came_while_nobody_looked_is_not_alerted_of(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.drop("11-23 05:00")
    office.drop("11-24 01:00")
    assert office.look("11-24 12:00") == []
    assert office.history == []


def test_an_alert_that_an_operator_resolved_is_not_raised_again(office: Office) -> None:
    from ingester.alert import alerts, close

    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.look("11-23 01:31")
    close(office.ledger, alerts(office.ledger)[0].id, "an operator")
    assert office.look("11-23 01:32") == []
    assert office.look("11-24 01:30") == ["missing 11-23 01:30"]


def test_another_expectation_begins_anew(office: Office) -> None:
    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.look("11-23 01:31")
    office.feed(by="02:30", grace="1h", min_rows=5)
    assert office.look("11-23 01:32") == ["late 11-23 01:30"], "grace and sizes do not change what was due"
    office.feed(by="06:00")
    assert office.look("11-23 01:33") == []
    assert office.history == [("late 11-23 01:30", "a change of what is expected")]
    assert office.look("11-23 05:01") == ["late 11-23 05:00"]


def test_a_feed_that_is_gone_or_expects_nothing_has_no_open_alert(office: Office) -> None:
    office.feed(by="02:30", min_rows=5)
    office.look("11-22 12:00")
    office.drop("11-22 13:00", rows=2)
    office.look("11-24 01:31")
    assert len(office.open) == 2
    office.feed(min_rows=5)
    assert office.look("11-24 01:32") == ["shrunken drop1"]
    office.feed(name="another")
    assert office.look("11-24 01:33") == []


def test_a_tenant_that_is_removed_leaves_nothing_open(office: Office) -> None:
    from ingester.store.tenant import Tenants

    office.feed(by="02:30")
    office.look("11-22 12:00")
    office.look("11-23 01:31")
    Tenants(office.ledger).remove("acme")
    assert office.look("11-23 01:32") == []


def test_who_is_told_that_a_drop_is_missing_is_not_told_that_it_is_no_longer_late(office: Office) -> None:
    from ingester.notify.event import Event
    from ingester.notify.target import Targets

    targets = Targets(office.ledger)
    targets.add("acme", "ops", "mailto:ops@example.com", tuple(Event))
    office.feed(by="02:30")
    for at in ("11-22 12:00", "11-23 01:31", "11-24 01:30"):
        office.look(at)
    told = [(row.event, row.content["state"]) for row, _ in reversed(targets.told(None, None, 10))]
    assert told == [("late", "raised"), ("missing", "raised")]
