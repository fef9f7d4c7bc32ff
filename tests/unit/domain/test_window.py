"""When a feed's drops may start: cron on the wall clock of the tenant, clocks that change, windows, blackout days."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.domain.errors import UsageError
from ingester.domain.window import Window, check

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def start(landed: str, schedule: str = "immediate", zone: ZoneInfo = BERLIN, **words: object) -> str:
    """Where a drop that landed then may start, on the wall clock of the zone."""
    return f"{Window(schedule, **words).start(at(landed), zone).astimezone(zone):%Y-%m-%d %H:%M %z}"  # type: ignore[arg-type]


def test_a_feed_without_a_schedule_starts_at_once() -> None:
    landed = at("2026-11-22T10:00:01Z")
    assert Window().start(landed, BERLIN) == landed


def test_a_nightly_drop_waits_for_its_hour_in_the_tenants_timezone() -> None:
    assert start("2026-11-22T10:00:00Z", "30 2 * * *") == "2026-11-23 02:30 +0100"
    assert start("2026-07-22T10:00:00Z", "30 2 * * *") == "2026-07-23 02:30 +0200"


def test_a_drop_that_lands_in_an_open_window_starts_at_once() -> None:
    words = {"open_for": timedelta(hours=2)}
    assert start("2026-11-23T02:10:00+01:00", "30 1 * * *", **words) == "2026-11-23 02:10 +0100"
    assert start("2026-11-23T03:30:00+01:00", "30 1 * * *", **words) == "2026-11-24 01:30 +0100"


def test_the_hour_that_does_not_exist_is_taken_an_hour_later() -> None:
    assert start("2026-03-28T12:00:00Z", "30 2 * * *") == "2026-03-29 03:30 +0200"
    assert start("2026-03-29T01:31:00Z", "30 2 * * *") == "2026-03-30 02:30 +0200"


def test_the_hour_that_comes_twice_counts_once() -> None:
    assert start("2026-10-24T12:00:00Z", "30 2 * * *") == "2026-10-25 02:30 +0200"
    assert start("2026-10-25T00:31:00Z", "30 2 * * *") == "2026-10-26 02:30 +0100"


def test_an_hourly_schedule_runs_in_both_of_the_two_hours_and_skips_none() -> None:
    starts = []
    landed = at("2026-10-24T23:50:00Z")
    for _ in range(4):
        landed = Window("15 * * * *").start(landed, BERLIN)
        starts.append(landed)
    assert {after - before for before, after in itertools.pairwise(starts)} == {timedelta(hours=1)}
    spring = Window("15 * * * *").start(at("2026-03-29T00:20:00Z"), BERLIN)
    assert spring == at("2026-03-29T01:15:00Z")


def test_a_window_across_midnight_is_open_on_the_next_day() -> None:
    assert start("2026-11-24T00:30:00+01:00", "0 23 * * *", open_for=timedelta(hours=2)) == "2026-11-24 00:30 +0100"


@pytest.mark.parametrize("weekday", ["1-5", "mon-fri", "1,2,3,4,5"])
def test_weekdays_are_numbered_as_cron_numbers_them(weekday: str) -> None:
    # 2026-11-27 is a Friday.
    assert start("2026-11-27T12:00:00+01:00", f"0 3 * * {weekday}") == "2026-11-30 03:00 +0100"


@pytest.mark.parametrize("sunday", ["0", "7", "sun"])
def test_sunday_has_two_numbers(sunday: str) -> None:
    assert start("2026-11-27T12:00:00+01:00", f"0 3 * * {sunday}") == "2026-11-29 03:00 +0100"


def test_a_day_of_the_month_or_a_weekday_is_enough_where_both_are_named() -> None:
    assert start("2026-11-25T12:00:00+01:00", "0 3 1 * fri") == "2026-11-27 03:00 +0100"
    assert start("2026-11-27T12:00:00+01:00", "0 3 1 * fri") == "2026-12-01 03:00 +0100"


def test_weekdays_may_begin_with_sunday() -> None:
    assert start("2026-11-28T12:00:00+01:00", "0 3 * * 0-2") == "2026-11-29 03:00 +0100"
    assert start("2026-11-25T12:00:00+01:00", "0 3 * * sun-tue") == "2026-11-29 03:00 +0100"


@pytest.mark.parametrize(
    "blackout",
    [("12-24", "12-25"), ("2026-12-24", "2026-12-25"), ("2026-12-24..2026-12-25",), ("thu", "fri")],
)
def test_a_window_on_a_blackout_day_does_not_open(blackout: tuple[str, ...]) -> None:
    assert start("2026-12-23T12:00:00Z", "0 2 * * *", blackout=blackout) == "2026-12-26 02:00 +0100"


def test_on_a_blackout_day_an_immediate_feed_waits_for_the_next_midnight() -> None:
    assert start("2026-12-24T12:00:00Z", blackout=("12-24", "12-25")) == "2026-12-26 00:00 +0100"
    assert start("2026-12-23T23:30:00Z", blackout=("12-24",)) == "2026-12-25 00:00 +0100"


@pytest.mark.parametrize(
    ("schedule", "blackout", "said"),
    [
        ("nightly", (), "is not a schedule"),
        ("61 2 * * *", (), "is not a schedule"),
        ("0 2 * * 8", (), "is not a schedule"),
        ("0 0 30 2 *", (), "never runs"),
        ("immediate", ("24.12.",), "no blackout day"),
        ("immediate", ("2026-13-01",), "no blackout day"),
        ("immediate", ("2026-12-24..2026-12-01",), "no blackout day"),
        ("immediate", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "every day"),
        ("0 2 * * mon", ("mon",), "never runs"),
    ],
)
def test_what_never_opens_is_refused_with_a_reason(schedule: str, blackout: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check(schedule, blackout)


@given(
    landed=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- Hypothesis asks for naive ones
    schedule=st.sampled_from(["immediate", "30 2 * * *", "0 */3 * * *", "15 * * * *", "0 0 1 * *", "0 6 * * sat"]),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana"]
    ),
    hours=st.integers(0, 5),
)
def test_nothing_starts_before_it_landed_and_what_lands_later_never_starts_earlier(
    landed: datetime, schedule: str, zone: str, hours: int
) -> None:
    window = Window(schedule, timedelta(hours=hours), ("12-25",))
    found = window.start(landed, ZoneInfo(zone))
    assert found >= landed
    later = window.start(landed + timedelta(minutes=50), ZoneInfo(zone))
    assert later >= found
    assert window.start(found, ZoneInfo(zone)) >= found
