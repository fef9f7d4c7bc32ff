"""Dates, times and datetimes, read strictly from a matrix of bytes: one column of bytes per character position.

Arrow's own `strptime` is not used: it turns 2020-02-31 into 2 March and accepts 2020-1-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import Bytes, lengths, windows
from ingester.checks.fault import Fault, Mask, Positions, Typed, present

_Ints = npt.NDArray[np.int64]

_DAY = 86_400_000_000
_FIRST = int(np.datetime64("0001-01-01", "us").astype(np.int64))
_LAST = int(np.datetime64("9999-12-31T23:59:59.999999", "us").astype(np.int64))
_YEARS = np.arange(10_000, dtype=np.int32)
_IS_LEAP = (_YEARS % 4 == 0) & ((_YEARS % 100 != 0) | (_YEARS % 400 == 0))
#: Days from 1970 to the first of January.
_DAYS_BEFORE_YEAR = (np.datetime64("0000-01-01", "Y") + _YEARS).astype("M8[D]").astype(np.int32)
#: By month, 1 to 12, then again from 14 for leap years.
_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] * 2, np.int32)
_DAYS_IN_MONTH[13 + 2] = 29
_DAYS_BEFORE_MONTH = np.cumsum(_DAYS_IN_MONTH.reshape(2, 13), axis=1, dtype=np.int32).ravel() - _DAYS_IN_MONTH
#: HH:MM:SS.ffffff, and the longest datetime with an offset.
_TIME_WIDTH = 15
_DATETIME_WIDTH = 32

_TIMESTAMP = pa.timestamp("us", "UTC")


def cast_date(text: pa.StringArray) -> Typed:
    """`YYYY-MM-DD`, a day that exists, years 0001 to 9999 → date32."""
    at = np.flatnonzero(present(text) & (lengths(text) == 10))
    days, right = _date(windows(text, at, 10))
    column = _spread(days, at[right], right, len(text), pa.date32())
    return Typed(column, _wrong(text, at[right], "date. Expected YYYY-MM-DD"))


def cast_time(text: pa.StringArray) -> Typed:
    """`HH:MM` or `HH:MM:SS` with up to six digits of fraction → time64[us]."""
    at = np.flatnonzero(present(text) & (lengths(text) <= _TIME_WIDTH))
    clock = _clock(windows(text, at, _TIME_WIDTH), 0)
    right = clock.right & (clock.end == lengths(text)[at])
    column = _spread(clock.micros, at[right], right, len(text), pa.time64("us"))
    return Typed(column, _wrong(text, at[right], "time. Expected HH:MM:SS"))


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
        days, right = _date(matrix)
        clock = _clock(matrix, 11)
        offset, zoned, zone_right = _zone(matrix, clock.end, size[at])
        right &= ((matrix[:, 10] == ord("T")) | (matrix[:, 10] == ord(" "))) & clock.right & zone_right
        micros = days.astype(np.int64) * _DAY + clock.micros - offset
        faults: list[Fault] = []
        naive = np.flatnonzero(right & ~zoned)
        if naive.size and self._timezone != "UTC":
            micros[naive], twice, never = self._localised(micros[naive])
            right[naive[twice | never]] = False
            for code, which in (("ambiguous_time", twice), ("nonexistent_time", never)):
                if which.any():
                    faults.append(Fault(code, self._timezone, at[naive[which]]))
        right &= (micros >= _FIRST) & (micros <= _LAST)
        named = np.concatenate([at[right], *(fault.positions for fault in faults)])
        faults += _wrong(text, named, "datetime. Expected YYYY-MM-DDTHH:MM:SS")
        return Typed(_spread(micros, at[right], right, len(text), _TIMESTAMP), faults)

    def _localised(self, micros: _Ints) -> tuple[_Ints, Mask, Mask]:
        local = pa.array(micros).cast(pa.timestamp("us"))
        early, late = (
            pc.assume_timezone(local, self._timezone, ambiguous=choice, nonexistent=choice)
            for choice in ("earliest", "latest")
        )
        never = pc.not_equal(pc.local_timestamp(late), local).to_numpy(zero_copy_only=False)
        twice = pc.not_equal(early, late).to_numpy(zero_copy_only=False) & ~never
        return early.cast(pa.int64()).to_numpy(), twice, never


@dataclass(frozen=True, slots=True)
class _Clock:
    micros: _Ints
    #: The column after the last character of the time.
    end: _Ints
    right: Mask


def _spread(values: npt.NDArray[np.generic], at: Positions, right: Mask, count: int, kind: pa.DataType) -> pa.Array:
    whole = np.zeros(count, values.dtype)
    whole[at] = values[right]
    if at.size == count:
        return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(whole)])
    valid = np.zeros(count, np.bool_)
    valid[at] = True
    return pa.Array.from_buffers(
        kind, count, [pa.py_buffer(np.packbits(valid, bitorder="little")), pa.py_buffer(whole)]
    )


def _wrong(text: pa.StringArray, right: Positions, expected: str) -> list[Fault]:
    wrong = present(text)
    wrong[right] = False
    return [Fault("invalid_type", expected, np.flatnonzero(wrong))] if wrong.any() else []


def _number(matrix: Bytes, columns: Sequence[int], right: Mask) -> npt.NDArray[np.int32]:
    """The digits in `columns` as one number; clears `right` where one is no digit."""
    total = np.zeros(len(matrix), np.int32)
    for column in columns:
        digit = matrix[:, column] - np.uint8(ord("0"))
        right &= digit <= 9
        total *= 10
        total += digit
    return total


def _date(matrix: Bytes) -> tuple[npt.NDArray[np.int32], Mask]:
    """Days since 1970 of `YYYY-MM-DD` in the first ten columns."""
    right = (matrix[:, 4] == ord("-")) & (matrix[:, 7] == ord("-"))
    year = _number(matrix, range(4), right)
    month = _number(matrix, (5, 6), right)
    day = _number(matrix, (8, 9), right)
    right &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    year[~right] = 1
    month[~right] = 1
    month += _IS_LEAP[year] * np.int32(13)
    right &= day <= _DAYS_IN_MONTH[month]
    return _DAYS_BEFORE_YEAR[year] + _DAYS_BEFORE_MONTH[month] + day - 1, right


def _clock(matrix: Bytes, start: int) -> _Clock:
    """`HH:MM[:SS[.f…]]` from column `start`. No leap second: no database stores one."""
    right = matrix[:, start + 2] == ord(":")
    hour = _number(matrix, (start, start + 1), right)
    minute = _number(matrix, (start + 3, start + 4), right)
    has_second = matrix[:, start + 5] == ord(":")
    second_right = np.ones(len(matrix), np.bool_)
    second = _number(matrix, (start + 6, start + 7), second_right)
    has_fraction = has_second & (matrix[:, start + 8] == ord("."))
    micros = np.zeros(len(matrix), np.int64)
    digits = np.zeros(len(matrix), np.int64)
    running = has_fraction
    for place in range(6):
        digit = matrix[:, start + 9 + place] - np.uint8(ord("0"))
        running = running & (digit <= 9)
        micros += np.where(running, digit * np.int64(10 ** (5 - place)), 0)
        digits += running
    right &= (hour <= 23) & (minute <= 59) & (~has_second | (second_right & (second <= 59)))
    right &= ~has_fraction | (digits > 0)
    micros += (hour * 3600 + minute * 60 + np.where(has_second, second, 0)).astype(np.int64) * 1_000_000
    end = start + 5 + 3 * has_second.astype(np.int64) + np.where(has_fraction, digits + 1, 0)
    return _Clock(micros, end, right)


def _zone(matrix: Bytes, start: _Ints, size: npt.NDArray[np.int32]) -> tuple[_Ints, Mask, Mask]:
    """The UTC offset in microseconds that begins at `start`; whether there is one; whether it and the end are right."""
    columns = np.minimum(start[:, None] + np.arange(6), matrix.shape[1] - 1)
    tail = np.take_along_axis(matrix, columns, axis=1)
    left = size - start
    sign = np.where(tail[:, 0] == ord("-"), -1, 1)
    offset_right = (left == 6) & ((tail[:, 0] == ord("+")) | (tail[:, 0] == ord("-"))) & (tail[:, 3] == ord(":"))
    hours = _number(tail, (1, 2), offset_right)
    minutes = _number(tail, (4, 5), offset_right)
    offset_right &= (hours <= 23) & (minutes <= 59)
    offset = np.where(offset_right, sign * (hours * 60 + minutes).astype(np.int64) * 60_000_000, 0)
    right = (left == 0) | ((left == 1) & (tail[:, 0] == ord("Z"))) | offset_right
    return offset, left > 0, right
