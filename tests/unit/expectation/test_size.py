"""Empty and shrunken drops: alerted of when their import ends, resolved by the next that is as it should be."""

from __future__ import annotations

from typing import Any

from ingester.domain.status import Outcome, Status
from ingester.store.tenant import Tenants

Office = Any


def test_a_drop_without_rows_is_empty_until_one_has_some(any_office: Office) -> None:
    office = any_office
    office.feed(by="02:30")
    office.drop("11-23 01:00", rows=0)
    assert office.open == ["empty drop1"]
    office.drop("11-23 01:10", rows=3)
    assert office.open == []


def test_a_file_without_a_byte_is_empty_too(office: Office) -> None:
    office.feed(min_rows=1)
    drop = office.drop("11-23 01:00", Status.QUEUED)
    office.end(drop, Status.FAILED, reason="empty_file")
    assert office.open == ["empty drop1"]


def test_a_feed_may_take_files_without_rows(office: Office) -> None:
    office.feed(by="02:30", min_rows=0)
    office.drop("11-23 01:00", rows=0)
    assert office.open == []


def test_fewer_rows_than_the_feed_says_are_too_few(office: Office) -> None:
    office.feed(min_rows=100)
    office.drop("11-23 01:00", rows=99)
    assert office.open == ["shrunken drop1"]
    office.drop("11-24 01:00", rows=0)
    assert office.open == ["shrunken drop1", "empty drop2"]
    office.drop("11-25 01:00", rows=100)
    assert office.open == []


def test_a_drop_is_compared_with_the_median_of_the_last_ones(any_office: Office) -> None:
    office = any_office
    office.feed(shrink=50)
    for day, rows in enumerate((100, 100, 5000, 100, 110), 1):
        office.drop(f"11-0{day} 01:00", rows=rows)
    assert office.open == [], "one large file makes the others no small ones"
    office.drop("11-06 01:00", rows=50)
    assert office.open == []
    office.drop("11-07 01:00", rows=49)
    assert office.open == ["shrunken drop7"]


def test_the_first_drop_is_compared_with_nothing(office: Office) -> None:
    office.feed(shrink=10)
    office.drop("11-23 01:00", rows=1)
    assert office.open == []


def test_what_was_not_read_as_usual_is_no_measure(office: Office) -> None:
    office.feed(shrink=50, min_rows=0)
    office.drop("11-21 01:00", rows=100)
    office.drop("11-22 01:00", rows=1, dry_run=True)
    rejected = office.drop("11-22 02:00", Status.QUEUED)
    office.end(rejected, Status.COMPLETED, 90, outcome=Outcome.REJECTED)
    repeated = office.drop("11-22 03:00", Status.QUEUED)
    office.end(repeated, Status.COMPLETED, 1, outcome=Outcome.DUPLICATE)
    failed = office.drop("11-22 04:00", Status.QUEUED)
    office.end(failed, Status.FAILED, reason="unreadable_file")
    assert office.open == []
    office.drop("11-23 01:00", rows=49)
    assert office.open == ["shrunken drop6"]


def test_an_import_that_ends_twice_is_alerted_of_once(office: Office) -> None:
    office.feed(min_rows=100)
    drop = office.drop("11-23 01:00", rows=1)
    office.end(drop, Status.COMPLETED, 1)
    assert office.open == ["shrunken drop1"]


def test_nobody_is_alerted_of_a_feed_that_expects_nothing(office: Office) -> None:
    office.feed()
    office.drop("11-23 01:00", rows=0)
    assert office.open == []


def test_another_tenants_drops_are_no_measure(office: Office) -> None:
    Tenants(office.ledger).add("globex", ["shop"])
    office.feed(shrink=50)
    office.drop("11-22 01:00", rows=1000, tenant="globex")
    office.drop("11-23 01:00", rows=10)
    assert office.open == []
