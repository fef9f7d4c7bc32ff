"""Cells that no spreadsheet runs as a formula, and that come back as they were sent.

A cell that would start a formula gets an apostrophe in front; so does one that already looks treated, so that
taking one apostrophe away again is always right. Plain signed numbers and phones (`-12.50`, `+15551234567`) are data
to a spreadsheet and stay as they are. After OWASP's page on CSV injection, with its full-width variants.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"
_STARTS_FORMULA = "\\A'*[=+\\-@\\t\\r\\n\\x00" + _FULL_WIDTH + "]"
_PLAIN_NUMBER = r"\A[+-][0-9]+([.,][0-9]+)*\z"


def neutralised(cells: pa.Array) -> pa.Array:
    """Text cells, each safe to open in a spreadsheet; same length, same nulls."""
    risky = pc.match_substring_regex(cells, _STARTS_FORMULA)
    if not pc.any(risky).as_py():
        return cells
    plain = pc.match_substring_regex(cells, _PLAIN_NUMBER)
    quoted = pc.binary_join_element_wise(pa.scalar("'"), cells, "")
    return pc.if_else(pc.and_not(risky, plain), quoted, cells)


def restored(cells: pa.Array) -> pa.Array:
    """The inverse of `neutralised`."""
    treated = pc.match_substring_regex(cells, "\\A'" + _STARTS_FORMULA.removeprefix("\\A"))
    return pc.if_else(treated, pc.utf8_slice_codeunits(cells, 1), cells)
