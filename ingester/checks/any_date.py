"""The format `any` of dates, times and datetimes: every usual way of writing one that has a single reading.

03/04/2026 is March here and April there: it is refused, where 13/04/2026 and 04/04/2026 are not. Years have four
digits, names of months are English. A datetime is rewritten as ISO 8601 does and cast by `temporal`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.calendar import unread
from ingester.checks.cells import BLANKS, replaced
from ingester.checks.fault import Positions, Typed, present
from ingester.checks.strptime import PatternCast
from ingester.checks.temporal import DatetimeCast, cast_date, cast_time
from ingester.ruleset.model import FieldType

_NAMED = (
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y"),
    *("%d/%b/%Y", "%Y %b %d", "%Y %B %d", "%Y-%b-%d"),
)
_YEAR_FIRST = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
#: Read both ways: the day is first, the month is.
_EITHER = tuple((f"%d{mark}%m{mark}%Y", f"%m{mark}%d{mark}%Y") for mark in "/.-")
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p", "%I:%M:%S%p", "%I %p", "%I%p")
#: What a datetime is made of: a date, then maybe a time, then maybe where that time is.
_MOMENT = (
    r"\A(?P<date>.*?[0-9A-Za-z])(?:(?:[Tt]|,? +)(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?: ?[AaPp][Mm])?) ?(?P<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?|))?\z"
)


class AnyDateCast:
    """A date → date32."""

    def __init__(self) -> None:
        self._certain = [_pattern(each, FieldType.DATE) for each in (*_YEAR_FIRST, *_NAMED)]
        self._either = [tuple(_pattern(each, FieldType.DATE) for each in pair) for pair in _EITHER]

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        found = _Found(text, cast_date(text).values)
        for day_first, month_first in self._either:
            left, cells = found.left()
            if not left.size:
                break
            one, other = day_first(cells).values, month_first(cells).values
            different = pc.fill_null(pc.not_equal(one, other), False)
            found.add(left, pc.if_else(different, pa.scalar(None, pa.date32()), pc.coalesce(one, other)))
        found.try_each(self._certain)
        return found.typed("date. Expected one with a single reading, such as YYYY-MM-DD")


class AnyTimeCast:
    """A time of day → time64[us]."""

    def __init__(self) -> None:
        self._patterns = [_pattern(each, FieldType.TIME) for each in _TIMES]

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        found = _Found(text, cast_time(text).values)
        found.try_each(self._patterns)
        return found.typed("time. Expected HH:MM:SS")


class AnyDatetimeCast:
    """A date, or a date with a time → timestamp[us, UTC]; without a time it is midnight."""

    def __init__(self, timezone: str) -> None:
        self._dates = AnyDateCast()
        self._times = AnyTimeCast()
        self._cast = DatetimeCast(timezone)

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        typed = self._cast(text)
        odd = [fault.positions for fault in typed.faults if fault.code == "invalid_type"]
        if not odd:
            return typed
        parts = pc.extract_regex(pc.ascii_trim(text.take(pa.array(odd[0])), characters=BLANKS), _MOMENT)
        date, clock, zone = (pc.struct_field(parts, name) for name in ("date", "time", "zone"))
        dates = pc.cast(self._dates(date).values, pa.string())
        clocks = pc.if_else(pc.equal(clock, ""), "00:00:00.000000", pc.cast(self._times(clock).values, pa.string()))
        zone = pc.replace_substring_regex(zone, r"\A(?:z|UTC|GMT)\z", "Z")
        zone = pc.replace_substring_regex(zone, r"\A([+-][0-9]{2}):?([0-9]{2})?\z", r"\1:\2")
        zone = pc.replace_substring_regex(zone, r":\z", ":00")
        moments = pc.binary_join_element_wise(dates, "T", clocks, zone, "")
        # What could not be taken apart fails once more, as it was sent.
        return self._cast(replaced(text, odd[0], pc.coalesce(moments, text.take(pa.array(odd[0])))))


class _Found:
    """What has been read of a column so far."""

    def __init__(self, text: pa.StringArray, values: pa.Array) -> None:
        self._text = text
        self._trimmed = pc.ascii_trim(text, characters=BLANKS)
        self._values = values

    def left(self) -> tuple[Positions, pa.StringArray]:
        """Where nothing has been read yet, and those cells."""
        left = np.flatnonzero(present(self._text) & ~present(self._values))
        return left, self._trimmed.take(pa.array(left))

    def add(self, positions: Positions, values: pa.Array) -> None:
        """Take the values of the cells at `positions`; null for what is still not read."""
        self._values = replaced(self._values, positions, values)

    def try_each(self, casts: Sequence[PatternCast]) -> None:
        """Read what is left, one way after the other."""
        for cast in casts:
            left, cells = self.left()
            if not left.size:
                break
            self.add(left, cast(cells).values)

    def typed(self, expected: str) -> Typed:
        """The column, and the fault of what nothing could read."""
        return Typed(self._values, unread(self._text, np.flatnonzero(present(self._values)), expected))


def _pattern(pattern: str, kind: FieldType) -> PatternCast:
    return PatternCast(pattern, kind, "UTC")
