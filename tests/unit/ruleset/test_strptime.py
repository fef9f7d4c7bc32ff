"""Patterns of dates, against Python's own strptime."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from ingester.ruleset.model import FieldType
from ingester.ruleset.strptime import parse
from tests.examples import examples

MOMENTS = st.datetimes(
    datetime(1969, 1, 1),  # noqa: DTZ001 (Hypothesis wants the bounds without)
    datetime(2068, 12, 31),  # noqa: DTZ001 (the same)
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
PATTERNS = [
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%d.%m.%y %I:%M %p",
    "%Y%m%d%H%M%S",
    "%j/%Y at %H:%M",
    "%b %d, %Y %H:%M:%S",
    "%d %B %Y%%%H:%M",
]


@examples(200)
@given(MOMENTS, st.sampled_from(PATTERNS), st.booleans())
def test_what_python_writes_by_a_pattern_is_read_as_python_reads_it(
    moment: datetime, pattern: str, strict: bool
) -> None:
    text = moment.strftime(pattern)
    assert parse(pattern, FieldType.DATETIME).read(text, strict=strict) == datetime.strptime(text, pattern)  # noqa: DTZ007 (naive where the pattern is)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%d/%m/%Y", "1/2/2026"),
        ("%d/%m/%Y", "31/02/2026"),
        ("%d/%m/%Y", "01/02/26"),
        ("%d/%m/%Y", " 01/02/2026"),
        ("%d/%m/%Y", "01/02/2026\n"),
        ("%d/%m/%Y", "\u0660\u0661/02/2026"),
        ("%d %b %Y", "01 Mär 2026"),
        ("%j %Y", "366 2026"),
        ("%j %Y", "000 2026"),
    ],
)
def test_a_cell_that_a_lax_reader_would_bend_into_a_date_is_none(pattern: str, text: str) -> None:
    with pytest.raises(ValueError):
        parse(pattern, FieldType.DATE).read(text)


def test_read_loosely_a_day_may_have_one_digit_where_that_is_clear() -> None:
    day = parse("%d/%m/%Y", FieldType.DATE)
    assert day.read("1/2/2026", strict=False) == datetime.fromisoformat("2026-02-01")
    with pytest.raises(ValueError):
        parse("%d%m%Y", FieldType.DATE).read("122026", strict=False)


@pytest.mark.parametrize(
    ("kind", "pattern", "reason"),
    [
        (FieldType.DATE, "%Y", "a day needs"),
        (FieldType.DATE, "%Y-%m-%d %j", "%j already says"),
        (FieldType.DATE, "%Y-%m-%d %y", "the year is said twice, by %Y and %y"),
        (FieldType.DATE, "%Y-%m-%b", "the month is said twice"),
        (FieldType.DATE, "%Y-%m-%d%z", "%z does not belong in a date"),
        (FieldType.DATE, "%-d/%m/%Y", "unknown directive %-"),
        (FieldType.DATE, "%d/%m/%Y%", "unknown directive %:"),
        (FieldType.DATE, "%d\t%m/%Y", "cannot be seen"),
        (FieldType.TIME, "%Y %H", "%Y does not belong in a time"),
        (FieldType.TIME, "%M", "a time needs %H, or %I with %p"),
        (FieldType.TIME, "%H %p", "%I and %p need each other"),
        (FieldType.TIME, "%H:%S", "%S needs %M"),
        (FieldType.TIME, "%H:%M.%f", "%f needs %S"),
        (FieldType.DATETIME, "%H:%M:%S.%f%Y%m%d", "%f has one to six digits, so %Y cannot follow"),
        (FieldType.DATETIME, "%Y%m%d %H:%M:%S.%f0", "%f has one to six digits, so 0 cannot follow"),
        (FieldType.DATETIME, "%Y-%m-%d", "a time needs"),
    ],
)
def test_a_pattern_that_two_readers_could_disagree_about_is_refused(kind: FieldType, pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        parse(pattern, kind)


def test_directives_are_expressions_of_re2_too() -> None:
    from ingester.ruleset.strptime import DIRECTIVES

    for _, expression in DIRECTIVES.values():
        re2.compile(expression)
