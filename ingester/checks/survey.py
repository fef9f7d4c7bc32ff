"""Which way the cells of a column are written, told by all of them: evidence that is counted block by block.

`12,50` can only have a decimal comma and `13/04/2026` only the day in front. Cells such as `1,234` and `03/04/2026`
tell nothing; they are read as the others of their column are, and where nothing tells, not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.any_number import Written
from ingester.checks.fault import where_false, where_true
from ingester.checks.invisible import clean
from ingester.checks.style import MARKS, Style
from ingester.ruleset.model import FieldType

#: So many times as many cells of one way of writing make the others mistakes.
_MANY = 4
#: One cell such as `12,5` settles so many such as `1.234`; among more it may be a mistake, and settles nothing.
_SETTLED = 20

Counts = npt.NDArray[np.int64]

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.NUMBER})
_DATES = frozenset({FieldType.DATE, FieldType.DATETIME})
_DAY, _MONTH = "(?:1[3-9]|2[0-9]|3[01])", "(?:0?[1-9]|1[0-2])"
_END = r"[0-9]{4}(?:\z|[Tt, ])"
#: Of an integer: a group of digits that is no fraction of zeros.
_WHOLE = "[,.](?:[0-9]{2}[1-9]|[0-9][1-9]0|[1-9]00)"
#: As the standard writes a number, programs' exponents included.
_USUAL = r"\A[+-]?(?:[0-9]+(?:[.][0-9]+)?|[.][0-9]+)(?:[eE][+-]?[0-9]+)?\z"


def _alone(decimal: str, group: str) -> str:
    """Most of the cells that can be read with one decimal sign only; others are looked at more closely."""
    whole = rf"[0-9]{{4,}}|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+"
    return rf"\A-?(?:(?:{whole}){decimal}[0-9]+|[0-9]+{decimal}(?:[0-9]{{1,2}}|[0-9]{{4,}}))\z"


_ALONE = (_alone("[.]", ","), _alone(",", "[.]"))


def _sure(decimal: str, group: str) -> str:
    """Both signs in one number, or several groups: nobody writes that by mistake."""
    return rf"\A-?[0-9]{{1,3}}{group}[0-9]{{3}}(?:{group}[0-9]{{3}})*(?:{group}[0-9]{{3}}|{decimal}[0-9]+)\z"


_SURE = (_sure("[.]", ","), _sure(",", "[.]"))

_STANDARD_DATE = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\z|[Tt ])"
_NO_ORDERS = np.zeros((len(MARKS), 2), np.int64)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many cells of a column can be read in one way only, and how many in two."""

    #: With a decimal point only, with a decimal comma only.
    decimals: Counts = field(default_factory=lambda: np.zeros(2, np.int64))
    #: Those of them that can be no mistake.
    sure: Counts = field(default_factory=lambda: np.zeros(2, np.int64))
    #: Cells such as `1,234` and `1.234`, which are thousands with a decimal point, with a decimal comma.
    unclear: Counts = field(default_factory=lambda: np.zeros(2, np.int64))
    #: Of an integer, cells such as `1,234` and `1.234`, which are whole with one decimal sign only.
    whole: Counts = field(default_factory=lambda: np.zeros(2, np.int64))
    #: Numbers such as `$ 1.234` and `(5)`, which are not written as the standard has it: so may be the others not.
    odd: int = 0
    #: For each of `MARKS`: the day only, the month only in front.
    dates: Counts = field(default_factory=lambda: np.zeros((len(MARKS), 2), np.int64))
    #: Likewise, those such as `03/04/2026`.
    unclear_dates: Counts = field(default_factory=lambda: np.zeros(len(MARKS), np.int64))
    #: Dates as the standard writes them, and all others.
    standard: Counts = field(default_factory=lambda: np.zeros(2, np.int64))

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.decimals + other.decimals,
            self.sure + other.sure,
            self.unclear + other.unclear,
            self.whole + other.whole,
            self.odd + other.odd,
            self.dates + other.dates,
            self.unclear_dates + other.unclear_dates,
            self.standard + other.standard,
        )

    @property
    def is_of_numbers(self) -> bool:
        """Whether it is about numbers, not dates."""
        return not self.standard.any()

    @property
    def is_plain(self) -> bool:
        """Whether every number can be read with a decimal point only, as the standard has it."""
        return not (self.decimals[1] or self.unclear.any() or self.whole.any() or self.odd)

    def is_standard(self, style: Style) -> bool:
        """Whether more cells as the standard has them, or with a decimal point, could not change this style."""
        return (self.is_plain or style.decimal == ".") and (style.standard or not self.standard[1])

    def style(self, pinned: Style) -> Style:
        """How the column is read: as it was pinned, else as its own cells tell."""
        decimal, doubtful = pinned.decimal, False
        if not decimal:
            point, comma = self.decimals.tolist()
            if not point and not comma:
                # What is no whole number with a comma is no evidence for a point: standing alone it may be a mistake.
                point = int(self.whole[0] > 0 and self.whole[1] == 0)
            # A few that contradict all others are mistakes, which settle nothing.
            decimal = "." if point > _MANY * comma else "," if comma > _MANY * point else ""
            place = 1 if decimal == "," else 0
            if not self.sure[place] and self.unclear[place] > _SETTLED * self.decimals[place] > 0:
                decimal = ""
            doubtful = not decimal and (bool((point and comma) or self.decimals[1]) or self.odd > 0 or pinned.doubtful)
        standard, others = self.standard.tolist()
        is_standard = not any(pinned.dates) and standard > _MANY * others and others > 0
        if is_standard:
            return Style(decimal, doubtful, standard=True, surveyed=True)
        orders = [
            _order(day, month, unclear)
            for (day, month), unclear in zip(self.dates.tolist(), self.unclear_dates.tolist(), strict=True)
        ]
        slash, dot, hyphen = (said or found for said, found in zip(pinned.dates, orders, strict=True))
        return Style(decimal, doubtful, (slash, dot, hyphen), surveyed=True)


def _order(day: int, month: int, unclear: int) -> str:
    """The order of dates of which so many can have only the day in front, only the month, or either."""
    if unclear > _SETTLED * max(day, month):
        return ""
    return "dmy" if day and not month else "mdy" if month and not day else ""


def evidence(text: pa.StringArray, kind: FieldType) -> Evidence:
    """What one block of a column of numbers or dates tells; nulls tell nothing."""
    if kind in _NUMBERS:
        return _of_numbers(text, kind)
    return _of_dates(text) if kind in _DATES else Evidence()


def _of_numbers(text: pa.StringArray, kind: FieldType) -> Evidence:
    alone, sure = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for place, pattern in enumerate(_ALONE):
        others = where_false(pc.match_substring_regex(text, pattern))
        alone[place] = len(text) - text.null_count - others.size
        if alone[place]:
            grouped = text.filter(pc.match_substring(text, ",."[place]))
            sure[place] = pc.match_substring_regex(grouped, _SURE[place]).true_count
            text = text.take(pa.array(others))
    # What is plain digits tells nothing.
    at = where_false(pc.match_substring_regex(text, r"\A-?[0-9]*\z"))
    if not at.size:
        return Evidence(alone, sure)
    cells = clean(text.take(pa.array(at)))
    written = Written(cells, exponents=kind is FieldType.NUMBER)
    point, comma = written.point, written.comma
    decimals = alone + np.array([(point & ~comma).sum(), (comma & ~point).sum()])
    sure = sure + np.array([pc.match_substring_regex(written.core, pattern).true_count for pattern in _SURE])
    cores = written.core.filter(pa.array(point & comma & ~written.neutral))
    commas = pc.match_substring(cores, ",").true_count
    unclear = np.array([commas, len(cores) - commas])
    if kind is FieldType.NUMBER:
        is_usual = pc.match_substring_regex(cells, _USUAL).to_numpy(zero_copy_only=False).astype(np.bool_)
        return Evidence(decimals, sure, unclear, odd=int(((point | comma) & ~is_usual).sum()))
    whole = cores.filter(pc.match_substring_regex(cores, _WHOLE))
    commas = pc.match_substring(whole, ",").true_count
    return Evidence(decimals, sure, unclear, np.array([commas, len(whole) - commas]))


def _of_dates(text: pa.StringArray) -> Evidence:
    is_standard = pc.match_substring_regex(text, _STANDARD_DATE)
    others = text.filter(pc.invert(is_standard))
    orders, unclear = _orders(others) if len(others) else (_NO_ORDERS, _NO_ORDERS[:, 0])
    return Evidence(dates=orders, unclear_dates=unclear, standard=np.array([is_standard.true_count, len(others)]))


def _orders(text: pa.StringArray) -> tuple[Counts, Counts]:
    found, unclear = np.zeros((len(MARKS), 2), np.int64), np.zeros(len(MARKS), np.int64)
    cells = text.take(pa.array(where_true(pc.match_substring_regex(text, "[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4}"))))
    if len(cells):
        cells = clean(cells)
        for place, mark in enumerate(MARKS):
            for first, (one, other) in enumerate(((_DAY, _MONTH), (_MONTH, _DAY))):
                matches = pc.match_substring_regex(cells, rf"\A{one}[{mark}]{other}[{mark}]{_END}")
                found[place, first] = matches.true_count
            unclear[place] = pc.match_substring_regex(cells, rf"\A{_MONTH}[{mark}]{_MONTH}[{mark}]{_END}").true_count
    return found, unclear
