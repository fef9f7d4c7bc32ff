"""Constants of assertions: numbers exactly as written, and the texts that beside a date are dates, and the like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from ingester.ruleset.expression_tree import Constant, Kind

#: Digits of a number on either side of its point, as in cells.
MAX_DIGITS = 38


def number(written: str, value: float) -> Constant:
    """A number of Python's, from its text: of 0.1 the text is exact, the float is not. ValueError if it is too long."""
    exact = value if isinstance(value, int) else Decimal(written.replace("_", ""))
    exponent = Decimal(exact).as_tuple().exponent
    assert isinstance(exponent, int), "Python writes no literal for infinity"
    if exponent < -MAX_DIGITS or abs(exact) >= 10**MAX_DIGITS:
        raise ValueError(f"a number has at most {MAX_DIGITS} digits before and after its point")
    return Constant(exact, Kind.INTEGER if isinstance(exact, int) else Kind.NUMBER)


def is_written_as_text(kind: Kind) -> bool:
    """Whether a text beside a value of the kind stands for one."""
    return kind in _TEXTS


def from_text(text: str, kind: Kind) -> Constant:
    """The constant that a text stands for; ValueError, whose message is for the rule's author, if it is none."""
    pattern, read, example = _TEXTS[kind]
    wrong = f"'{text[:40]}' is no {kind}; write it as {example}"
    if not pattern.fullmatch(text):
        raise ValueError(wrong)
    try:
        return Constant(read(text), kind)
    except (ValueError, OverflowError) as error:
        raise ValueError(wrong) from error


def _datetime(text: str) -> datetime:
    """Table Schema's own default: a constant without an offset is UTC."""
    value = datetime.fromisoformat(text)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


#: What a text of the kind must look like, how it is read, and how to write it.
_TEXTS: Mapping[Kind, tuple[re.Pattern[str], Callable[[str], Any], str]] = {
    Kind.DATE: (re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), date.fromisoformat, "'2026-11-21'"),
    Kind.TIME: (re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII), time.fromisoformat, "'14:30:00'"),
    Kind.DATETIME: (
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII),
        _datetime,
        "'2026-11-21T14:30:00Z'",
    ),
    Kind.YEARMONTH: (re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII), str, "'2026-11'"),
    Kind.DURATION: (
        re.compile(r"P(?=[\dT])(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d{1,6})?S)?)?", re.ASCII),
        str,
        "'PT8H30M'",
    ),
}
