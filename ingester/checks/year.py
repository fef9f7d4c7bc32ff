"""Years and months of years, as XML Schema writes them: `2026`, `-0044`, and `2026-11`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import without
from ingester.checks.fault import Fault, Typed, where_false

#: Four digits, more for years to come; at most nine, which a 32-bit integer holds.
_YEAR = r"\A(?:[0-9]{4}|-?[1-9][0-9]{4,8}|-(?:[1-9][0-9]{3}|0[0-9]{2}[1-9]|0[0-9][1-9][0-9]|0[1-9][0-9]{2}))\z"
_YEARMONTH = r"\A[0-9]{4}-(?:0[1-9]|1[0-2])\z"


def cast_year(text: pa.StringArray) -> Typed:
    """Four digits or more → int64."""
    text, faults = _matching(text, _YEAR, "year. Expected YYYY")
    return Typed(pc.cast(text, pa.int64()), faults)


def cast_yearmonth(text: pa.StringArray) -> Typed:
    """`YYYY-MM` → the same text, which sorts as the months do."""
    return Typed(*_matching(text, _YEARMONTH, "month. Expected YYYY-MM"))


def _matching(text: pa.StringArray, pattern: str, expected: str) -> tuple[pa.StringArray, list[Fault]]:
    wrong = where_false(pc.match_substring_regex(text, pattern))
    return without(text, wrong), [Fault("invalid_type", expected, wrong)] if wrong.size else []
