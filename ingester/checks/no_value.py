"""Cells in which a program says that there is no value, or that it could not work one out.

`NULL` in a column of numbers holds none; in a column of names it may be one. An error of a spreadsheet is no value.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import content, offsets
from ingester.checks.fault import Fault, Positions, Typed, where_true
from ingester.checks.invisible import clean

_EMPTY = pa.array(
    [
        *("null", "(null)", "<null>", "[null]", "#null", "n/a", "na", "#n/a", "<na>", "n.a.", "nan", "nat", "none"),
        *("nil", "\\n", "-", "--", "---", "\u2013", "\u2014"),
    ],
    pa.string(),
)
#: As spreadsheets write them in English, German, French and Spanish.
_ERRORS = pa.array(
    [
        *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#GETTING_DATA"),
        *("#WERT!", "#BEZUG!", "#ZAHL!", "#VALEUR!", "#NOM?", "#NOMBRE!", "#VALOR!", "#\u00a1VALOR!", "#\u00a1REF!"),
        *("#\u00a1NUM!", "#\u00a1DIV/0!", "#\u00bfNOMBRE?"),
    ],
    pa.string(),
)


def spreadsheet_errors(text: pa.StringArray) -> Positions:
    """The cells that are an error of a spreadsheet."""
    data = content(text)
    if not data.size or not len(text):
        return np.empty(0, np.int64)
    # Of an empty cell this is the first byte of another, which does no harm.
    first = data[np.minimum(offsets(text)[:-1], data.size - 1)]
    suspects = np.flatnonzero(first == ord("#"))
    if not suspects.size:
        return suspects
    return suspects[where_true(pc.is_in(text.take(pa.array(suspects)), value_set=_ERRORS))]


def without_no_values(text: pa.StringArray, typed: Typed) -> tuple[Typed, Positions, Counter[str]]:
    """A cast column in which cells that say that they hold no value are no fault; where they are, and what they say.

    What is blank but for characters that nobody sees says nothing. Other cells that are errors of spreadsheets are
    faults of their own.
    """
    wrong = [fault.positions for fault in typed.faults if fault.code == "invalid_type"]
    at = np.unique(np.concatenate(wrong)) if wrong else np.empty(0, np.int64)
    if not at.size:
        return typed, at, Counter()
    cells = clean(text.take(pa.array(at)))
    says = where_true(pc.is_in(pc.utf8_lower(cells), value_set=_EMPTY))
    counts = pc.value_counts(cells.take(pa.array(says)))
    said = Counter({each["values"].as_py(): each["counts"].as_py() for each in counts})
    empty = at[np.union1d(says, where_true(pc.equal(cells, "")))]
    errors = np.setdiff1d(at[where_true(pc.is_in(pc.utf8_upper(cells), value_set=_ERRORS))], empty)
    if not empty.size and not errors.size:
        return typed, empty, said
    faults = [Fault("spreadsheet_error", "", errors)] if errors.size else []
    for fault in typed.faults:
        left = fault.positions
        if fault.code == "invalid_type":
            left = np.setdiff1d(np.setdiff1d(left, empty), errors)
        if left.size:
            faults.append(Fault(fault.code, fault.expected, left, fault.hint))
    return Typed(typed.values, faults), empty, said
