"""Cells that no spreadsheet runs as a formula, and that come back as they were sent.

A cell that would start a formula gets an apostrophe in front; so does one that already looks treated, so that
taking one apostrophe away again is always right. Plain signed numbers and phones (`-12.50`, `+15551234567`) are data
to a spreadsheet and stay as they are. After OWASP's page on CSV injection, with its full-width variants.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import content, offsets
from ingester.checks.fault import where_true
from ingester.formats.rewritten import FORMULA

_FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"
_PLAIN_NUMBER = r"\A[+-][0-9]+([.,][0-9]+)*\z"

#: Bytes with which a risky cell may begin; of most cells the first byte is all that need be seen.
_SUSPECT = np.zeros(256, np.bool_)
_SUSPECT[list(b"'=+-@\t\r\n\x00" + _FULL_WIDTH[0].encode()[:1])] = True


def neutralised(cells: pa.StringArray) -> pa.StringArray:
    """Text cells, each safe to open in a spreadsheet; same length, same nulls."""
    data, bounds = content(cells), offsets(cells)
    if not data.size:
        return cells
    first = data[np.minimum(bounds[:-1], data.size - 1)]
    at = np.flatnonzero(_SUSPECT[first] & (bounds[:-1] < bounds[1:]))
    if not at.size:
        return cells
    # Of a column of phones all are plain: only what is left needs the other look.
    at = at[where_true(pc.invert(pc.match_substring_regex(cells.take(pa.array(at)), _PLAIN_NUMBER)))]
    changed = at[where_true(pc.match_substring_regex(cells.take(pa.array(at)), FORMULA))] if at.size else at
    if not changed.size:
        return cells
    mask = np.zeros(len(cells), np.bool_)
    mask[changed] = True
    quoted = pc.binary_join_element_wise(pa.scalar("'"), cells.take(pa.array(changed)), "")
    return pc.replace_with_mask(cells, pa.array(mask), quoted)
