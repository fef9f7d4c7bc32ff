"""Durations of ISO 8601: `P1Y2M3DT4H5M6.5S`, `P2W` → one text for each length. Each distinct text is read once.

The text is `P[n]Y[n]M[n]DT[n]H[n]M[n]S` of what is not zero, twelve months to a year, 24 hours to a day, a sign in
front. Months have no fixed length, so they stay apart from days.
"""

from __future__ import annotations

import re
from decimal import Decimal

import pyarrow as pa

from ingester.checks import canonical
from ingester.checks.fault import Typed

#: ISO 8601-1 section 5.5.2: the last part may have a fraction, with a point or a comma. A sign as in ISO 8601-2.
_DURATION = re.compile(
    r"([+-]?)P(?=[0-9T])(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+(?:[.,][0-9]+)?)W)?(?:([0-9]+(?:[.,][0-9]+)?)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+(?:[.,][0-9]+)?)H)?(?:([0-9]+(?:[.,][0-9]+)?)M)?(?:([0-9]+(?:[.,][0-9]+)?)S)?)?"
)
_SECONDS = (604_800, 86_400, 3_600, 60, 1)
_MICROS = 1_000_000
_LONGEST = 60


def cast_duration(text: pa.StringArray) -> Typed:
    """Cast one column."""
    return canonical.cast_distinct(text, normal_form, "duration. Expected ISO 8601, such as P1DT2H30M")


def normal_form(cell: str) -> str:
    """The one text of the duration; ValueError if it is none or not a whole number of microseconds."""
    months, micros = parts(cell)
    sign, months, micros = "-" if min(months, micros) < 0 else "", abs(months), abs(micros)
    minutes, rest = divmod(micros, 60 * _MICROS)
    seconds, fraction = divmod(rest, _MICROS)
    date = _written((months // 12, "Y"), (months % 12, "M"), (minutes // 1440, "D"))
    second = f"{seconds}.{fraction:06}".rstrip("0") if fraction else str(seconds)
    clock = _written((minutes // 60 % 24, "H"), (minutes % 60, "M")) + (f"{second}S" if rest else "")
    return f"{sign}P{date}T{clock}" if clock else f"{sign}P{date}" if date else "PT0S"


def parts(cell: str) -> tuple[int, int]:
    """Months and microseconds, both of one sign; ValueError if it is no duration."""
    match = _DURATION.fullmatch(cell)
    if match is None or len(cell) > _LONGEST:
        raise ValueError("it is no duration")
    sign, years, months, *others = match.groups()
    given = [part for part in others if part]
    if any(not part.isdigit() for part in given[:-1]):
        raise ValueError("only the last part may have a fraction")
    numbers = (Decimal((part or "0").replace(",", ".")) for part in others)
    micros = sum((number * size for number, size in zip(numbers, _SECONDS, strict=True)), Decimal(0)) * _MICROS
    if micros != int(micros):
        raise ValueError("it is more exact than a microsecond")
    factor = -1 if sign == "-" else 1
    return factor * (int(years or 0) * 12 + int(months or 0)), factor * int(micros)


def _written(*named: tuple[int, str]) -> str:
    return "".join(f"{number}{name}" for number, name in named if number)
