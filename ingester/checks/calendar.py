"""Days and times of day as columns of numbers: from digits in a matrix of bytes to Arrow's types."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingester.checks.cells import Bytes
from ingester.checks.fault import Fault, Mask, Positions, present

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]

#: Microseconds.
DAY = 86_400_000_000
#: What a datetime may be, in UTC.
FIRST = int(np.datetime64("0001-01-01", "us").astype(np.int64))
LAST = int(np.datetime64("9999-12-31T23:59:59.999999", "us").astype(np.int64))

_YEARS = np.arange(10_000, dtype=np.int32)
_IS_LEAP = (_YEARS % 4 == 0) & ((_YEARS % 100 != 0) | (_YEARS % 400 == 0))
#: Days from 1970 to the first of January.
_DAYS_BEFORE_YEAR = (np.datetime64("0000-01-01", "Y") + _YEARS).astype("M8[D]").astype(np.int32)
#: By month, 1 to 12, then again from 14 for leap years.
_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] * 2, np.int32)
_DAYS_IN_MONTH[13 + 2] = 29
_DAYS_BEFORE_MONTH = np.cumsum(_DAYS_IN_MONTH.reshape(2, 13), axis=1, dtype=np.int32).ravel() - _DAYS_IN_MONTH


def number(columns: Iterable[Bytes], right: Mask) -> Numbers:
    """The digits, a column for each, as one number; clears `right` where one is no digit."""
    total = np.zeros(len(right), np.int32)
    for column in columns:
        digit = column - np.uint8(ord("0"))
        right &= digit <= 9
        total *= 10
        total += digit
    return total


def days(year: Numbers, month: Numbers, day: Numbers, right: Mask) -> Numbers:
    """Days since 1970, years 1 to 9999; clears `right` where there is no such day. Changes its arguments."""
    right &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    year[~right] = 1
    month[~right] = 1
    month += _IS_LEAP[year] * np.int32(13)
    right &= day <= _DAYS_IN_MONTH[month]
    return _DAYS_BEFORE_YEAR[year] + _DAYS_BEFORE_MONTH[month] + day - np.int32(1)


def days_of_year(year: Numbers, day: Numbers, right: Mask) -> Numbers:
    """The same for the day of a year, from 1."""
    right &= (year >= 1) & (day >= 1)
    year[~right] = 1
    right &= day <= 365 + _IS_LEAP[year]
    return _DAYS_BEFORE_YEAR[year] + day - np.int32(1)


def micros(hour: Numbers, minute: Numbers, second: Numbers, right: Mask) -> Ints:
    """Microseconds since midnight; clears `right` where there is no such time. No leap second: no database has one."""
    right &= (hour <= 23) & (minute <= 59) & (second <= 59)
    return (hour * 3600 + minute * 60 + second).astype(np.int64) * 1_000_000


def spread(values: npt.NDArray[np.generic], at: Positions, right: Mask, count: int, kind: pa.DataType) -> pa.Array:
    """A column of `count` cells with those `values` that are `right` at `at`, which are as many; null elsewhere."""
    whole = np.zeros(count, values.dtype)
    whole[at] = values[right]
    if at.size == count:
        return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(whole)])
    valid = np.zeros(count, np.bool_)
    valid[at] = True
    return pa.Array.from_buffers(
        kind, count, [pa.py_buffer(np.packbits(valid, bitorder="little")), pa.py_buffer(whole)]
    )


def unread(text: pa.StringArray, read: Positions, expected: str) -> list[Fault]:
    """The fault of all cells but those at `read` and the missing ones."""
    wrong = present(text)
    wrong[read] = False
    return [Fault("invalid_type", expected, np.flatnonzero(wrong))] if wrong.any() else []
