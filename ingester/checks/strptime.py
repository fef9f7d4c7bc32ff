"""Dates, times and datetimes by a pattern such as `%d/%m/%Y`, read strictly, all cells of a column a step at a time.

What patterns there are is `ingester.ruleset.strptime`'s business. Here days, months and hours may also be written with
one digit, where no other digit follows: `3/4/2026`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from ingester.checks.calendar import DAY, Ints, Numbers, days, days_of_year, micros, number, spread, unread
from ingester.checks.cells import Bytes, lengths, windows
from ingester.checks.fault import Mask, Positions, Typed, present
from ingester.checks.temporal import instants
from ingester.ruleset import strptime
from ingester.ruleset.model import FieldType

#: Directives of at most as many digits, and at least.
_DIGITS = {
    "%Y": (4, 4),
    "%y": (2, 2),
    "%m": (2, 1),
    "%d": (2, 1),
    "%j": (3, 3),
    "%H": (2, 1),
    "%I": (2, 1),
    "%M": (2, 2),
    "%S": (2, 2),
}
#: The longest text of the others.
_WIDTHS = {"%b": 3, "%B": 9, "%p": 2, "%f": 6, "%z": 6}
#: How people write them down.
_SHOWN = {
    "%Y": "YYYY",
    "%y": "YY",
    "%m": "MM",
    "%d": "DD",
    "%j": "DDD",
    "%b": "Jan",
    "%B": "January",
    "%H": "HH",
    "%I": "HH",
    "%M": "MM",
    "%S": "SS",
    "%f": "ffffff",
    "%p": "AM",
    "%z": "+HH:MM",
}
#: POSIX: two digits from 69 on are of the last century.
_PIVOT = 69
_NAMES = {FieldType.DATE: "date", FieldType.TIME: "time", FieldType.DATETIME: "datetime"}


class PatternCast:
    """Cells of one date, time or datetime field whose format is a pattern → its Arrow type.

    Raises ValueError for a pattern that cells of the type cannot be read by.
    """

    def __init__(self, pattern: str, kind: FieldType, timezone: str) -> None:
        self._pattern = Pattern(strptime.parse(pattern, kind).tokens)
        self._kind = kind
        self._timezone = timezone
        self._expected = f"{_NAMES[kind]}. Expected {''.join(_SHOWN.get(each, each) for each in self._pattern.tokens)}"

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        at = np.flatnonzero(present(text) & (lengths(text) <= self._pattern.width))
        moment = self._pattern.read(text, at)
        if self._kind is FieldType.DATETIME:
            moments = moment.days().astype(np.int64) * DAY + moment.micros() - moment.offset
            zoned = np.full(len(at), "%z" in self._pattern.tokens)
            return instants(text, at, moments, zoned, moment.right, self._timezone, self._expected)
        values = moment.days() if self._kind is FieldType.DATE else moment.micros()
        column_type = pa.date32() if self._kind is FieldType.DATE else pa.time64("us")
        column = spread(values, at[moment.right], moment.right, len(text), column_type)
        return Typed(column, unread(text, at[moment.right], self._expected))


class Pattern:
    """A pattern's tokens compiled into steps."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self._steps: list[Callable[[_Cursor, Moment], None]] = []
        #: Bytes of the longest text.
        self.width = 0
        for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
            if token in _DIGITS:
                most, least = _DIGITS[token]
                least = most if following in _DIGITS or following in {"%f", "%j"} or following.isdigit() else least
                self._steps.append(_numeric(token, most, least))
                self.width += most
            elif token in _WIDTHS:
                self._steps.append(_STEPS[token])
                self.width += _WIDTHS[token]
            else:
                self._steps.append(_literal(token.encode()))
                self.width += len(token.encode())

    def read(self, text: pa.StringArray, at: Positions) -> Moment:
        """The parts of the cells at `at`, none of which is longer than `width`."""
        # One column more: a cursor stops there, at a NUL that nothing matches.
        cursor = _Cursor(windows(text, at, self.width + 1))
        moment = Moment(len(at), cursor.right)
        for step in self._steps:
            step(cursor, moment)
        moment.right &= cursor.at == lengths(text)[at]
        return moment


class Moment:
    """The parts of many cells, as read; `right` is cleared where they are none."""

    def __init__(self, count: int, right: Mask) -> None:
        self.right = right
        self.parts: dict[str, Numbers] = {}
        #: Microseconds east of UTC.
        self.offset: Ints = np.zeros(count, np.int64)
        self.fraction: Ints = np.zeros(count, np.int64)
        self._zeros = np.zeros(count, np.int32)

    def days(self) -> Numbers:
        """Days since 1970."""
        if "%Y" in self.parts:
            year = self.parts["%Y"]
        else:
            year = self.parts["%y"] + np.where(self.parts["%y"] >= _PIVOT, 1900, 2000).astype(np.int32)
        if "%j" in self.parts:
            return days_of_year(year, self.parts["%j"], self.right)
        return days(year, self.parts["%m"], self.parts["%d"], self.right)

    def micros(self) -> Ints:
        """Microseconds since midnight."""
        if "%I" in self.parts:
            half = self.parts["%I"]
            self.right &= (half >= 1) & (half <= 12)
            hour = half % 12 + 12 * self.parts["%p"]
        else:
            hour = self.parts["%H"]
        minute, second = self.parts.get("%M", self._zeros), self.parts.get("%S", self._zeros)
        return micros(hour, minute, second, self.right) + self.fraction


class _Cursor:
    """Where each row is being read; one number while that is the same place in all rows, which is much faster."""

    def __init__(self, matrix: Bytes) -> None:
        self._matrix = matrix
        self._rows = np.arange(len(matrix))
        self.right = np.ones(len(matrix), np.bool_)
        self.at: int | Ints = 0

    def byte(self, ahead: int = 0) -> Bytes:
        """The byte so far ahead."""
        last = self._matrix.shape[1] - 1
        if isinstance(self.at, int):
            column: Bytes = self._matrix[:, min(self.at + ahead, last)]
            return column
        scattered: Bytes = self._matrix[self._rows, np.minimum(self.at + ahead, last)]
        return scattered

    def skip(self, sizes: int | Ints) -> None:
        """Go on, by a number for each row; where the row is wrong, its number does not matter."""
        if not isinstance(sizes, int):
            rights = sizes[self.right]
            if not rights.size or (rights == rights[0]).all():
                sizes = int(rights[0]) if rights.size else 0
        self.at = self.at + sizes

    def digits(self, most: int, least: int) -> Numbers:
        """A number of `least` to `most` digits, as many as there are."""
        value = number((self.byte(ahead) for ahead in range(least)), self.right)
        sizes = np.full(len(value), least, np.int64)
        running = self.right
        for ahead in range(least, most):
            digit = self.byte(ahead) - np.uint8(ord("0"))
            running = running & (digit <= 9)
            value = np.where(running, value * 10 + digit, value)
            sizes += running
        self.skip(most if least == most else sizes)
        return value


def _literal(text: bytes) -> Callable[[_Cursor, Moment], None]:
    def step(cursor: _Cursor, _: Moment) -> None:
        for ahead, byte in enumerate(text):
            cursor.right &= cursor.byte(ahead) == byte
        cursor.skip(len(text))

    return step


def _numeric(token: str, most: int, least: int) -> Callable[[_Cursor, Moment], None]:
    def step(cursor: _Cursor, moment: Moment) -> None:
        moment.parts[token] = cursor.digits(most, least)

    return step


def _lower(cursor: _Cursor, ahead: int) -> Bytes:
    return cursor.byte(ahead) | np.uint8(0x20)


def _month(cursor: _Cursor, moment: Moment, whole: bool) -> None:
    month = np.zeros(len(cursor.right), np.int32)
    sizes = np.zeros(len(cursor.right), np.int64)
    start = [_lower(cursor, ahead) for ahead in range(3)]
    for index, name in enumerate(strptime.MONTHS, 1):
        matches = (start[0] == ord(name[0])) & (start[1] == ord(name[1])) & (start[2] == ord(name[2]))
        if matches.any():
            size = len(name) if whole else 3
            for ahead in range(3, size):
                matches &= _lower(cursor, ahead) == ord(name[ahead])
            month[matches] = index
            sizes[matches] = size
    cursor.right &= month > 0
    moment.parts["%m"] = month
    cursor.skip(sizes)


def _half(cursor: _Cursor, moment: Moment) -> None:
    first = _lower(cursor, 0)
    cursor.right &= ((first == ord("a")) | (first == ord("p"))) & (_lower(cursor, 1) == ord("m"))
    moment.parts["%p"] = (first == ord("p")).astype(np.int32)
    cursor.skip(2)


def _fraction(cursor: _Cursor, moment: Moment) -> None:
    before = cursor.at
    value = cursor.digits(6, 1).astype(np.int64)
    moment.fraction = value * 10 ** (6 - np.asarray(cursor.at - before))


def _zone(cursor: _Cursor, moment: Moment) -> None:
    first = cursor.byte()
    east, west = first == ord("+"), first == ord("-")
    is_utc = first == ord("Z")
    colon = (cursor.byte(3) == ord(":")).astype(np.int64)
    right = east | west
    hours = number((cursor.byte(1), cursor.byte(2)), right)
    minutes = number((np.where(colon, cursor.byte(4 + index), cursor.byte(3 + index)) for index in range(2)), right)
    right &= (hours <= 23) & (minutes <= 59)
    offset = (hours * 60 + minutes).astype(np.int64) * 60_000_000
    moment.offset = np.where(right, np.where(west, -offset, offset), 0)
    cursor.right &= is_utc | right
    cursor.skip(np.where(is_utc, 1, 5 + colon))


_STEPS: dict[str, Callable[[_Cursor, Moment], None]] = {
    "%b": lambda cursor, moment: _month(cursor, moment, whole=False),
    "%B": lambda cursor, moment: _month(cursor, moment, whole=True),
    "%p": _half,
    "%f": _fraction,
    "%z": _zone,
}
