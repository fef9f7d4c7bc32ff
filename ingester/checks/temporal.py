"""Dates, times and datetimes as ISO 8601 writes them, read strictly from a matrix of bytes: a column for each position.

Arrow's own `strptime` is not used: it turns 2020-02-31 into 2 March and accepts 2020-1-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.calendar import DAY, FIRST, LAST, Ints, Numbers, days, micros, number, spread, unread
from ingester.checks.cells import Bytes, content, lengths, offsets, windows
from ingester.checks.fault import Fault, Mask, Positions, Typed, present
from ingester.checks.words import WIDTH, Words, are_digits, word, words

_DATE_WIDTH = 10
#: HH:MM:SS.ffffff, and the longest datetime with an offset.
_TIME_WIDTH = 15
_DATETIME_WIDTH = 32

#: What digits and hyphens are at the ends of a date, and where the hyphens of its first end are.
_DATE_START, _DATE_END = word("0000-00-"), word("00-00-00")
_HYPHENS = word("\0\0\0\0\x7f\0\0\x7f")
_TEN, _BYTE = np.uint64(10), np.uint64(8)

_TIMESTAMP = pa.timestamp("us", "UTC")


def cast_date(text: pa.StringArray) -> Typed:
    """`YYYY-MM-DD`, a day that exists, years 0001 to 9999 → date32."""
    at = np.flatnonzero(present(text) & (lengths(text) == _DATE_WIDTH))
    starts, view = offsets(text)[at], words(content(text))
    found, right = _date(view[starts], view[starts + _DATE_WIDTH - WIDTH])
    column = spread(found, at[right], right, len(text), pa.date32())
    return Typed(column, unread(text, at[right], "date. Expected YYYY-MM-DD"))


def cast_time(text: pa.StringArray) -> Typed:
    """`HH:MM` or `HH:MM:SS` with up to six digits of fraction → time64[us]."""
    at = np.flatnonzero(present(text) & (lengths(text) <= _TIME_WIDTH))
    clock = _clock(windows(text, at, _TIME_WIDTH), 0)
    right = clock.right & (clock.end == lengths(text)[at])
    column = spread(clock.micros, at[right], right, len(text), pa.time64("us"))
    return Typed(column, unread(text, at[right], "time. Expected HH:MM:SS"))


class DatetimeCast:
    """ISO 8601: date, `T` or a space, time, and `Z`, an offset or nothing → timestamp[us, UTC].

    One without an offset is a local time of `timezone`: an hour that comes twice or never there is a fault.
    """

    def __init__(self, timezone: str) -> None:
        self._timezone = timezone

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        size = lengths(text)
        at = np.flatnonzero(present(text) & (size <= _DATETIME_WIDTH))
        matrix = windows(text, at, _DATETIME_WIDTH)
        day, right = _date(_word(matrix, 0), _word(matrix, _DATE_WIDTH - WIDTH))
        clock = _clock(matrix, 11)
        offset, zoned, zone_right = _zone(matrix, clock.end, size[at])
        right &= ((matrix[:, 10] == ord("T")) | (matrix[:, 10] == ord(" "))) & clock.right & zone_right
        moments = day.astype(np.int64) * DAY + clock.micros - offset
        return instants(text, at, moments, zoned, right, self._timezone, "datetime. Expected YYYY-MM-DDTHH:MM:SS")


def instants(
    text: pa.StringArray, at: Positions, moments: Ints, zoned: Mask, right: Mask, timezone: str, expected: str
) -> Typed:
    """Microseconds since 1970 of the cells at `at`, in UTC where `zoned`, else in `timezone` → timestamp[us, UTC].

    Changes `moments` and `right`.
    """
    faults: list[Fault] = []
    naive = np.flatnonzero(right & ~zoned)
    if naive.size and timezone != "UTC":
        moments[naive], twice, never = _localised(moments[naive], timezone)
        right[naive[twice | never]] = False
        for code, which in (("ambiguous_time", twice), ("nonexistent_time", never)):
            if which.any():
                faults.append(Fault(code, timezone, at[naive[which]]))
    right &= (moments >= FIRST) & (moments <= LAST)
    named = np.concatenate([at[right], *(fault.positions for fault in faults)])
    faults += unread(text, named, expected)
    return Typed(spread(moments, at[right], right, len(text), _TIMESTAMP), faults)


def _localised(moments: Ints, timezone: str) -> tuple[Ints, Mask, Mask]:
    local = pa.array(moments).cast(pa.timestamp("us"))
    early, late = (
        pc.assume_timezone(local, timezone, ambiguous=choice, nonexistent=choice) for choice in ("earliest", "latest")
    )
    never = pc.not_equal(pc.local_timestamp(late), local).to_numpy(zero_copy_only=False)
    twice = pc.not_equal(early, late).to_numpy(zero_copy_only=False) & ~never
    return early.cast(pa.int64()).to_numpy(), twice, never


@dataclass(frozen=True, slots=True)
class _Clock:
    micros: Ints
    #: The column after the last character of the time.
    end: Ints
    right: Mask


def _digits(matrix: Bytes, columns: Sequence[int], right: Mask) -> Numbers:
    return number((matrix[:, column] for column in columns), right)


def _word(matrix: Bytes, start: int) -> Words:
    return np.ascontiguousarray(matrix[:, start : start + WIDTH]).view("<u8")[:, 0]


def _date(first: Words, last: Words) -> tuple[Numbers, Mask]:
    """Days since 1970 of `YYYY-MM-DD`, of which these are the first and the last eight bytes."""
    first, last = first ^ _DATE_START, last ^ _DATE_END
    right = are_digits(first) & are_digits(last) & (first & _HYPHENS == 0)
    # Every byte of `pairs` is a number of two digits, its own and the next.
    pairs = first * _TEN + (first >> _BYTE)
    year = _byte(pairs, 0) * np.int32(100) + _byte(pairs, 2)
    return days(year, _byte(pairs, 5), _byte(last, 6) * np.int32(10) + _byte(last, 7), right), right


def _byte(values: Words, place: int) -> Numbers:
    return values.view(np.uint8)[place::WIDTH].astype(np.int32)


def _clock(matrix: Bytes, start: int) -> _Clock:
    """`HH:MM[:SS[.f…]]` from column `start`."""
    right = matrix[:, start + 2] == ord(":")
    hour = _digits(matrix, (start, start + 1), right)
    minute = _digits(matrix, (start + 3, start + 4), right)
    has_second = matrix[:, start + 5] == ord(":")
    second_right = np.ones(len(matrix), np.bool_)
    second = _digits(matrix, (start + 6, start + 7), second_right)
    has_fraction = has_second & (matrix[:, start + 8] == ord("."))
    fraction = np.zeros(len(matrix), np.int64)
    digits = np.zeros(len(matrix), np.int64)
    running = has_fraction
    for place in range(6):
        digit = matrix[:, start + 9 + place] - np.uint8(ord("0"))
        running = running & (digit <= 9)
        fraction += np.where(running, digit * np.int64(10 ** (5 - place)), 0)
        digits += running
    right &= (~has_second | second_right) & (~has_fraction | (digits > 0))
    clock = micros(hour, minute, np.where(has_second, second, 0), right)
    end = start + 5 + 3 * has_second.astype(np.int64) + np.where(has_fraction, digits + 1, 0)
    return _Clock(clock + fraction, end, right)


def _zone(matrix: Bytes, start: Ints, size: npt.NDArray[np.int32]) -> tuple[Ints, Mask, Mask]:
    """The UTC offset in microseconds that begins at `start`; whether there is one; whether it and the end are right."""
    columns = np.minimum(start[:, None] + np.arange(6), matrix.shape[1] - 1)
    tail = np.take_along_axis(matrix, columns, axis=1)
    left = size - start
    sign = np.where(tail[:, 0] == ord("-"), -1, 1)
    offset_right = (left == 6) & ((tail[:, 0] == ord("+")) | (tail[:, 0] == ord("-"))) & (tail[:, 3] == ord(":"))
    hours = _digits(tail, (1, 2), offset_right)
    minutes = _digits(tail, (4, 5), offset_right)
    offset_right &= (hours <= 23) & (minutes <= 59)
    offset = np.where(offset_right, sign * (hours * 60 + minutes).astype(np.int64) * 60_000_000, 0)
    right = (left == 0) | ((left == 1) & (tail[:, 0] == ord("Z"))) | offset_right
    return offset, left > 0, right
