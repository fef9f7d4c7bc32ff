"""Patterns of dates and times, as `%d/%m/%Y`: which directives there are, and reading a text strictly by a pattern.

A small part of C's strptime, with a fixed number of digits wherever there are digits, so that no two readers can
disagree about a cell: `%Y` four, `%j` three, `%f` one to six, all others two (read loosely, `%d`, `%m`, `%H` and `%I`
also one, where no digit follows); `%b` and `%B` are English month names
and `%p` is AM or PM, in any case; `%z` is `Z`, `+02:00` or `+0200`; `%%` is a percent sign; the rest is literal, a
space included. A cell has every part of a pattern or it is no date. Reading whole columns is not done here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache

from ingester.ruleset.model import FieldType

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)

#: Directive → what it says about the moment, and the expression of its texts (RE2 and Python alike).
DIRECTIVES: Mapping[str, tuple[str, str]] = {
    "%Y": ("year", "[0-9]{4}"),
    "%y": ("year", "[0-9]{2}"),
    "%m": ("month", "[0-9]{2}"),
    "%b": ("month", f"(?i:{'|'.join(name[:3] for name in MONTHS)})"),
    "%B": ("month", f"(?i:{'|'.join(MONTHS)})"),
    "%d": ("day", "[0-9]{2}"),
    "%j": ("day of the year", "[0-9]{3}"),
    "%H": ("hour", "[0-9]{2}"),
    "%I": ("hour of half a day", "[0-9]{2}"),
    "%p": ("half of the day", "(?i:am|pm)"),
    "%M": ("minute", "[0-9]{2}"),
    "%S": ("second", "[0-9]{2}"),
    "%f": ("fraction", "[0-9]{1,6}"),
    "%z": ("offset", "Z|[-+][0-9]{2}:?[0-9]{2}"),
}
_DATE = frozenset({"year", "month", "day", "day of the year"})
_TIME = frozenset({"hour", "hour of half a day", "half of the day", "minute", "second", "fraction"})
_ALLOWED = {
    FieldType.DATE: _DATE,
    FieldType.TIME: _TIME,
    FieldType.DATETIME: _DATE | _TIME | {"offset"},
}
_TOKEN = re.compile(r"%(.?)|[^%]", re.DOTALL)
#: POSIX: two digits from 69 on are of the last century.
_PIVOT = 69
#: Where people leave out the zero in front.
_SHORTER = frozenset({"%m", "%d", "%H", "%I"})


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern taken apart: its directives and literal characters in order, `%%` already the one character `%`."""

    tokens: tuple[str, ...]
    _strict: re.Pattern[str]
    _loose: re.Pattern[str]

    @classmethod
    def of(cls, tokens: Sequence[str]) -> Pattern:
        """The pattern of these tokens; each directive is one group of its expressions, in order."""
        strict = [_expression(token) for token in tokens]
        loose = [
            "([0-9]{1,2})" if token in _SHORTER and not _begins_with_digit(following) else expression
            for token, following, expression in zip(tokens, [*tokens[1:], ""], strict, strict=True)
        ]
        return cls(tuple(tokens), re.compile("".join(strict)), re.compile("".join(loose)))

    def read(self, text: str, *, strict: bool = True) -> datetime:
        """The moment that a cell names, what is not said being 1900-01-01 00:00; aware if there is an offset.

        ValueError if the cell does not match, or the day or time does not exist.
        """
        match = (self._strict if strict else self._loose).fullmatch(text)
        if match is None:
            raise ValueError("it does not match the format")
        directives = [token for token in self.tokens if token in DIRECTIVES]
        found = {DIRECTIVES[name][0]: (name, part) for name, part in zip(directives, match.groups(), strict=True)}
        day, clock = _day(found), _clock(found)
        return datetime.combine(day, clock, _offset(found["offset"][1]) if "offset" in found else None)


@lru_cache(maxsize=256)
def parse(pattern: str, kind: FieldType) -> Pattern:
    """Take a format apart; ValueError, whose message is a hint, if cells of the type cannot be read by it."""
    tokens: list[str] = []
    said: dict[str, str] = {}
    for match in _TOKEN.finditer(pattern):
        part = match.group()
        if part.startswith("%") and part != "%%":
            if part not in DIRECTIVES:
                raise ValueError(f"unknown directive {part}: those known are {' '.join(DIRECTIVES)}")
            meaning = DIRECTIVES[part][0]
            if meaning not in _ALLOWED[kind]:
                raise ValueError(f"{part} does not belong in a {kind}")
            if meaning in said:
                raise ValueError(f"the {meaning} is said twice, by {said[meaning]} and {part}")
            said[meaning] = part
            if tokens and tokens[-1] == "%f" and part not in {"%z", "%p", "%b", "%B"}:
                raise ValueError(f"%f has one to six digits, so {part} cannot follow at once")
        elif tokens and tokens[-1] == "%f" and part.isdigit():
            raise ValueError(f"%f has one to six digits, so {part} cannot follow at once")
        elif not part.isprintable():
            raise ValueError("it holds a character that cannot be seen")
        tokens.append("%" if part == "%%" else part)
    _complete(said, kind)
    return Pattern.of(tokens)


def _expression(part: str) -> str:
    return f"({DIRECTIVES[part][1]})" if part in DIRECTIVES else re.escape(part)


def _begins_with_digit(part: str) -> bool:
    return part.isdigit() or (part in DIRECTIVES and part not in {"%b", "%B", "%p", "%z"})


def _complete(said: Mapping[str, str], kind: FieldType) -> None:
    if kind is not FieldType.TIME:
        if "year" not in said or not ({"month", "day"} <= said.keys() or "day of the year" in said):
            raise ValueError("a day needs %Y or %y, and %m (or %b, %B) with %d, or %j")
        if "day of the year" in said and {"month", "day"} & said.keys():
            raise ValueError("%j already says month and day")
    if kind is not FieldType.DATE:
        if ("hour" in said) == ("hour of half a day" in said):
            raise ValueError("a time needs %H, or %I with %p")
        if ("hour of half a day" in said) != ("half of the day" in said):
            raise ValueError("%I and %p need each other")
        if ("second" in said and "minute" not in said) or ("fraction" in said and "second" not in said):
            raise ValueError("%S needs %M, and %f needs %S")


def _day(found: Mapping[str, tuple[str, str]]) -> date:
    if "year" not in found:
        return date(1900, 1, 1)
    name, digits = found["year"]
    year = int(digits)
    if name == "%y":
        year += 1900 if year >= _PIVOT else 2000
    if "day of the year" in found:
        number = int(found["day of the year"][1])
        day = date(year, 1, 1) + timedelta(days=number - 1)
        if number < 1 or day.year != year:
            raise ValueError("day is out of range for year")
        return day
    name, text = found["month"]
    month = int(text) if name == "%m" else next(i for i, each in enumerate(MONTHS, 1) if each[:3] == text[:3].lower())
    return date(year, month, int(found["day"][1]))


def _clock(found: Mapping[str, tuple[str, str]]) -> time:
    if "hour of half a day" in found:
        hour = int(found["hour of half a day"][1])
        if not 1 <= hour <= 12:
            raise ValueError("%I is 01 to 12")
        hour = hour % 12 + 12 * (found["half of the day"][1].lower() == "pm")
    else:
        hour = int(found["hour"][1]) if "hour" in found else 0
    minute, second, fraction = (found[each][1] if each in found else "0" for each in ("minute", "second", "fraction"))
    return time(hour, int(minute), int(second), int(fraction.ljust(6, "0")))


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError("the offset is out of range")
    distance = timedelta(hours=hours, minutes=minutes)
    return timezone(-distance if text[0] == "-" else distance)
