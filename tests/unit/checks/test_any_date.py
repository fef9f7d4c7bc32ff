"""Dates, times and datetimes as people write them: each line is a column, and what becomes of its cells."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time

import pytest

from ingester.checks.any_date import _MONTHS
from ingester.checks.style import Style
from ingester.ruleset.model import FieldType
from tests.column import read, style

AMBIGUOUS, WRONG = "!ambiguous_date", "!invalid_type"


def dates(*cells: str, pinned: str | None = None) -> list[date | str]:
    return read(FieldType.DATE, *cells, pinned=Style.of(None, pinned))


APRIL, MARCH, LATE = date(2026, 4, 3), date(2026, 3, 4), date(2026, 4, 13)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["03/04/2026"], [AMBIGUOUS]),
        (["03/04/2026", "04/04/2026"], [AMBIGUOUS, date(2026, 4, 4)]),
        (["03/04/2026", "13/04/2026"], [APRIL, LATE]),
        (["03/04/2026", "04/13/2026"], [MARCH, LATE]),
        (["03/04/2026", "13/04/2026", "04/13/2026"], [AMBIGUOUS, LATE, LATE]),
        (["3.4.2026", "13.4.2026"], [APRIL, LATE]),
        (["3-4-2026", "13/4/2026"], [AMBIGUOUS, LATE]),
        (["3-4-2026", "13-4-2026", "4/3/2026", "4/13/2026"], [APRIL, LATE, APRIL, LATE]),
        (["03.04.26", "13.04.26", "26-04-13"], [AMBIGUOUS] * 3),
        (["2026-4-3", "2026/04/03", "20260403", "3 Apr 2026", "April 3, 2026"], [APRIL] * 5),
        (["2026-04-03 00:00:00", "2026-04-03T00:00:00.000Z", "3 Apr 2026 12:00 AM", "2026-04-03 0:00"], [APRIL] * 4),
        (
            ["2026-04-03 10:00", "2026-04-03 12:00 PM", "2026-04-03T00:00:00+02:00", "2026-04-03 00:00 00:00"],
            [WRONG] * 4,
        ),
        (["45000", "46115.0", "31/02/2026", "2026-02-30", "tomorrow", "13/13/2026"], [WRONG] * 6),
        (
            ["3. April 2026", "3 avril 2026", "3 de abril de 2026", "3 aprile 2026", "03-Abr-2026", "3 avr. 2026"],
            [APRIL] * 6,
        ),
        (["4. M\u00e4rz 2026", "4 mars 2026", "4-Mrz-2026", "4 maart 2026", "4 de mar\u00e7o de 2026"], [MARCH] * 5),
        (["\u200b2026-04-03", "2026-04-03\u00a0", "\u201c2026-04-03\u201d"], [APRIL] * 3),
    ],
)
def test_a_date_has_one_reading_in_its_column_or_none(cells: list[str], values: list[date | str]) -> None:
    assert dates(*cells) == values
    assert read(FieldType.DATE, *cells, format="any") == values


def test_a_feed_says_the_order_and_what_contradicts_is_refused() -> None:
    assert dates("03/04/2026", "04/13/2026", "2026-04-13", pinned="dmy") == [APRIL, WRONG, LATE]
    assert dates("03/04/2026", "13/04/2026", "13 Apr 2026", pinned="mdy") == [MARCH, WRONG, LATE]
    assert dates("03/04/2026", "13/04/2026", "2026/04/13", pinned="ymd") == [WRONG, WRONG, LATE]


def test_a_datetime_has_the_dates_of_its_column() -> None:
    cells = ["4/3/2026 2:05 PM", "4/13/2026 14:05", "2026-04-03T14:05:00Z", "3/4/26 10:00"]
    moment = datetime(2026, 4, 3, 14, 5, tzinfo=UTC)
    assert read(FieldType.DATETIME, *cells) == [moment, moment.replace(day=13), moment, AMBIGUOUS]
    assert read(FieldType.DATETIME, cells[0], "x") == [AMBIGUOUS, WRONG]
    assert read(FieldType.DATETIME, "31.3.2024 02:30", timezone="Europe/Berlin") == ["!nonexistent_time"]


def test_a_time_may_be_of_twelve_hours() -> None:
    assert read(FieldType.TIME, "2:05 PM", "14:05", "9:05", "25:00") == [time(14, 5), time(14, 5), time(9, 5), WRONG]


def test_a_rule_with_a_pattern_decides_alone() -> None:
    assert read(FieldType.DATE, "03/04/2026", "2026-04-03", "NULL", format="%d/%m/%Y") == [APRIL, WRONG, WRONG]
    assert read(FieldType.DATE, "03.04.26", format="%d.%m.%y") == [APRIL]


def test_the_order_that_was_found_is_told() -> None:
    assert style(FieldType.DATE, "13/04/2026", "1/1/2026") == {"dates": "dmy"}
    assert style(FieldType.DATE, "13/04/2026", "4-13-2026") == {"dates": {"/": "dmy", "-": "mdy"}}
    assert style(FieldType.DATETIME, "4/13/2026 10:00") == {"dates": "mdy"}
    assert style(FieldType.DATE, "03/04/2026") == {}


def test_no_month_has_the_name_of_another() -> None:
    assert Counter(word for line in _MONTHS for word in set(line.split())).most_common(1)[0][1] == 1
