"""What spreadsheets do to the texts by which records are known: `1.23E+12` was a number of thirteen digits once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import content, lengths, offsets, within
from ingester.checks.fault import Positions, where_true

_SCIENTIFIC = r"\A[1-9](?:[.,][0-9]+)?E[+][0-9]{2,3}\z"
#: Bytes of the shortest.
_LEAST = len("1E+12")


def abbreviated(text: pa.StringArray) -> Positions:
    """The cells that a spreadsheet has abbreviated to a power of ten: what they were nobody knows."""
    if not (within(text) == ord("+")).any():
        return np.empty(0, np.int64)
    at = np.flatnonzero(lengths(text) >= _LEAST)
    if not at.size:
        return at
    ends, data = offsets(text)[1:], content(text)
    last = ends if at.size == len(text) else ends[at]
    # Before two digits, or three.
    suspects: Positions = at[(data[last - 3] == ord("+")) | (data[last - 4] == ord("+"))]
    if not suspects.size:
        return suspects
    return suspects[where_true(pc.match_substring_regex(text.take(pa.array(suspects)), _SCIENTIFIC))]
