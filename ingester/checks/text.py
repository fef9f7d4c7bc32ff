"""Strings: kept as sent. A NUL character, which databases refuse, and a format are checked here."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import lengths, within, without
from ingester.checks.fault import Fault, Positions, Typed, present, where_false, where_true
from ingester.checks.formats import FORMATS


class StringCast:
    """Cells of one string field, checked for its `format`."""

    def __init__(self, format_name: str) -> None:
        self._format = FORMATS.get(format_name)

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        faults = []
        if _has_nul(text):
            nul = where_true(pc.match_substring(text, "\0"))
            faults.append(Fault("invalid_text", "", nul))
            text = without(text, nul)
        if self._format is not None:
            wrong = where_false(pc.match_substring_regex(text, self._format.pattern))
            if self._format.max_length is not None:
                wrong = np.union1d(wrong, _beyond(text, self._format.max_length))
            if self._format.max_local is not None:
                wrong = np.union1d(wrong, _beyond_local(text, self._format.max_local))
            if wrong.size:
                faults.append(Fault(self._format.code, "", wrong))
                text = without(text, wrong)
        return Typed(text, faults)


def _beyond(text: pa.StringArray, limit: int) -> Positions:
    return np.flatnonzero((lengths(text) > limit) & present(text))


def _beyond_local(text: pa.StringArray, limit: int) -> Positions:
    long = _beyond(text, limit)
    if not long.size:
        return long
    at = pc.find_substring(text.take(pa.array(long)), "@")
    return long[where_true(pc.greater(at, limit))]


def _has_nul(text: pa.StringArray) -> bool:
    data = within(text)
    return bool(data.size and data.min() == 0)
