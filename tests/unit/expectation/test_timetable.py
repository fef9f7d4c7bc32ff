"""When drops are due: by the wall clock of a time zone, also on the days on which it is set forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from ingester.domain.cron import parse, weekdays
from ingester.expectation.timetable import Timetable
from ingester.expectation.words import Expects

BERLIN = "Europe/Berlin"


def due(zone: str, after: str, count: int, **words: object) -> list[str]:
    """The first due moments after a day's midnight in UTC, as `03-29 01:30`."""
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    return [f"{each:%m-%d %H:%M}" for each in islice(Timetable(Expects(**words), zone).after(start), count)]


def test_the_time_that_does_not_exist_is_the_one_an_hour_later() -> None:
    found = due(BERLIN, "2026-03-28", 3, by="02:30")
    assert found == ["03-28 01:30", "03-29 01:30", "03-30 00:30"]
    at = datetime(2026, 3, 29, 1, 30, tzinfo=UTC).astimezone(ZoneInfo(BERLIN))
    assert (at.hour, at.minute) == (3, 30)


def test_the_time_that_comes_twice_is_due_once_at_the_second() -> None:
    assert due(BERLIN, "2026-10-24", 3, by="02:30") == ["10-24 00:30", "10-25 01:30", "10-26 01:30"]


def test_times_before_and_after_the_change_are_what_the_clock_says() -> None:
    assert due(BERLIN, "2026-03-29", 2, by="01:59,03:00") == ["03-29 00:59", "03-29 01:00"]
    assert due(BERLIN, "2026-10-25", 2, by="01:59,03:00") == ["10-25 02:00", "10-26 00:59"]
    assert due("America/New_York", "2026-03-08", 2, by="02:15") == ["03-08 07:15", "03-09 06:15"]
    assert due("America/New_York", "2026-11-01", 2, by="01:15") == ["11-01 06:15", "11-02 06:15"]


def test_what_is_due_every_hour_goes_by_hours_that_pass() -> None:
    spring = list(islice(Timetable(Expects(cron="30 * * * *"), BERLIN).after(datetime(2026, 3, 28, tzinfo=UTC)), 48))
    autumn = list(islice(Timetable(Expects(cron="30 * * * *"), BERLIN).after(datetime(2026, 10, 24, tzinfo=UTC)), 48))
    for found in (spring, autumn):
        steps = {later - earlier for earlier, later in pairwise(found)}
        assert steps == {timedelta(hours=1)}


def test_an_hour_of_the_day_in_cron_is_as_one_of_by() -> None:
    for start in ("2026-03-27", "2026-10-23"):
        assert due(BERLIN, start, 5, cron="30 2 * * *") == due(BERLIN, start, 5, by="02:30")


def test_zones_change_by_half_an_hour_and_at_midnight() -> None:
    # Lord Howe's clock goes from 02:00 to 02:30, Havana's from 00:00 to 01:00.
    assert due("Australia/Lord_Howe", "2026-10-02", 3, by="02:15") == ["10-02 15:45", "10-03 15:45", "10-04 15:15"]
    assert due("America/Havana", "2026-03-07", 3, by="00:30") == ["03-07 05:30", "03-08 05:30", "03-09 04:30"]


def test_a_day_that_a_zone_left_out_has_no_moment_of_its_own() -> None:
    # Samoa went from 29 to 31 December 2011.
    assert due("Pacific/Apia", "2011-12-29", 4, by="12:00") == [
        "12-29 22:00",
        "12-30 22:00",
        "12-31 22:00",
        "01-01 22:00",
    ]


def test_nothing_is_due_on_other_days_and_on_holidays() -> None:
    # 2026-05-14 is Ascension Day, 2026-06-04 Corpus Christi: a holiday in Bavaria, not in Berlin.
    assert due("UTC", "2026-05-13", 3, by="12:00", days="mon-fri", holidays="DE") == [
        "05-13 12:00",
        "05-15 12:00",
        "05-18 12:00",
    ]
    assert due("UTC", "2026-06-03", 2, by="12:00", holidays="DE-BY") == ["06-03 12:00", "06-05 12:00"]
    assert due("UTC", "2026-06-03", 2, by="12:00", holidays="DE-BE") == ["06-03 12:00", "06-04 12:00"]
    assert due("UTC", "2026-11-25", 2, cron="0 12 * * 1-5", holidays="XNYS") == ["11-25 12:00", "11-27 12:00"]


def test_the_holiday_is_that_of_the_place_not_of_utc() -> None:
    # 23:00 UTC on New Year's Eve is New Year's Day in Berlin.
    assert due(BERLIN, "2026-12-31", 2, by="00:30", holidays="DE") == ["01-01 23:30", "01-02 23:30"]


def test_the_last_due_moment_is_found_however_long_ago() -> None:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    for words, expected in (
        ({"by": "02:30"}, datetime(2026, 11, 23, 2, 30, tzinfo=UTC)),
        ({"by": "12:00"}, at),
        ({"cron": "0 6 1 * *"}, datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ({"cron": "0 6 24 12 *"}, datetime(2025, 12, 24, 6, tzinfo=UTC)),
        ({"cron": "0 6 29 2 *"}, None),
    ):
        assert Timetable(Expects(**words), "UTC").last(at) == expected


def test_what_is_never_due_ends() -> None:
    assert Timetable(Expects(cron="0 0 30 2 *"), "UTC").next(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("daily", "0123456"),
        ("weekdays", "01234"),
        ("Weekends", "56"),
        ("mon-fri", "01234"),
        ("fri-mon", "0456"),
        ("Monday, thu", "03"),
        ("sun", "6"),
    ],
)
def test_weekdays_have_names(text: str, days: str) -> None:
    assert weekdays(text) == {int(day) for day in days}


@pytest.mark.parametrize(
    ("text", "days"), [("* * * * 0", "6"), ("* * * * 7", "6"), ("* * * * 1-5", "01234"), ("* * * * 5-7", "456"),
                       ("* * * * sun-tue", "016"), ("* * * * */2", "1356"), ("* * * * fri", "4")],
)  # fmt: skip
def test_weekdays_of_cron_begin_with_sunday(text: str, days: str) -> None:
    assert parse(text).week_days == {int(day) for day in days}


def test_a_day_of_the_month_or_a_weekday_as_cron_has_it() -> None:
    # Both restricted: either will do. 2026-11-13 is a Friday.
    assert due("UTC", "2026-11-10", 3, cron="0 6 15 * fri") == ["11-13 06:00", "11-15 06:00", "11-20 06:00"]
    assert due("UTC", "2026-11-10", 2, cron="0 6 13 * *") == ["11-13 06:00", "12-13 06:00"]
    assert due("UTC", "2026-11-10", 3, cron="5/20 6 * nov-dec *") == ["11-10 06:05", "11-10 06:25", "11-10 06:45"]
