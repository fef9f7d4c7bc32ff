"""How a column of a file is written, as far as cells can be read in two ways: its decimal sign, the order of its dates.

A style is what a feed says, or what `ingester.checks.survey` found in all cells of the column. It is asked where a rule
says nothing of it: fields with options of their own are read by these alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ingester.ruleset.model import FieldType

#: What stands between day, month and year; columns are decided for each apart, as people do not mix them.
MARKS = "/.-"
#: The orders of the parts of a date.
ORDERS = ("dmy", "mdy", "ymd")
#: What a status file says of a column whose decimal signs nobody can tell from others.
_MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Style:
    """How one column is to be read; "" is where nobody knows."""

    #: `.` or `,`.
    decimal: str = ""
    #: Whether `1.234` may as well be a thousand and more: other cells of the column are written in several ways.
    doubtful: bool = False
    #: For each of `MARKS` one of `ORDERS`.
    dates: tuple[str, str, str] = ("", "", "")
    #: Whether dates are as the standard has them, so that one in another form is a mistake.
    standard: bool = False
    #: Whether all cells of the column have been looked at, so that nothing more will be known.
    surveyed: bool = False

    @classmethod
    def of(cls, decimal: str | None = None, dates: str | None = None) -> Style:
        """What a feed says of all of its columns, or a status file of one."""
        order = dates or ""
        return cls(decimal=decimal or "", dates=(order, order, order))

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Style:
        """What `to_json` made; a number is canonical where nothing else was said of it."""
        orders = said.get("dates", "")
        slash, dot, hyphen = (orders if isinstance(orders, str) else orders.get(mark, "") for mark in MARKS)
        decimal = said.get("decimal", ".")
        is_mixed = decimal == _MIXED
        return cls("" if is_mixed else decimal, is_mixed, (slash, dot, hyphen), surveyed=True)

    def of_type(self, kind: FieldType) -> Style:
        """What of it concerns a column of a type: numbers have no order, dates no decimal sign."""
        if kind in {FieldType.INTEGER, FieldType.NUMBER}:
            return replace(self, dates=("", "", ""))
        return replace(self, decimal="", doubtful=False)

    def to_json(self) -> dict[str, Any]:
        """What is known, as a status file says it; empty if nothing is."""
        decimal = _MIXED if self.doubtful else self.decimal
        known: dict[str, Any] = {"decimal": decimal} if decimal else {}
        orders = {mark: order for mark, order in zip(MARKS, self.dates, strict=True) if order}
        if orders:
            known["dates"] = next(iter(orders.values())) if len(set(orders.values())) == 1 else orders
        return known


#: Of a column that nobody has looked at.
UNKNOWN = Style()
