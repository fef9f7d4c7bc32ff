"""What nobody sees: characters without width, blanks other than the space, marks of direction; quotes as typeset.

They come of copying from web pages, spreadsheets and letters. A number, a date or a word that has them is the same.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import BLANKS, content, lengths, offsets, replaced, within
from ingester.checks.fault import Positions, where_false, where_true

#: No width: U+061C, U+180E, U+200B to U+200F, U+202A to U+202E, U+2060 to U+2064, U+2066 to U+2069, U+FEFF.
_WIDTHLESS = r"\x{61C}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{FEFF}"
#: Blanks beyond ASCII: no-break, thin, of a digit's width and others.
_ODD_BLANKS = r"\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
_ASCII = 0x80
#: May be shown as a hyphen, so that a number that has one may be negative.
_SOFT_HYPHEN = r"\x{AD}"
_EDGES = rf"[{_SOFT_HYPHEN}{_WIDTHLESS}{_ODD_BLANKS}{BLANKS}]"
_AROUND = rf"\A{_EDGES}+|{_EDGES}+\z"
#: What typography makes of an apostrophe, of a minus, and of quotes around something.
_APOSTROPHES, _MINUS, _QUOTES = r"[\x{2018}\x{2019}\x{2BC}\x{B4}]", "\u2212", r"[\"\x{201C}-\x{201F}\x{AB}\x{BB}]"


def clean(text: pa.StringArray) -> pa.StringArray:
    """The cells as a reader of numbers, dates and words wants them: plain blanks, signs and quotes, none around."""
    odd = where_false(pc.string_is_ascii(text))
    if odd.size:
        cells = pc.replace_substring_regex(text.take(pa.array(odd)), f"[{_WIDTHLESS}]", "")
        cells = pc.replace_substring_regex(cells, f"[{_ODD_BLANKS}]", " ")
        cells = pc.replace_substring_regex(cells, _APOSTROPHES, "'")
        cells = pc.replace_substring(cells, _MINUS, "-")
        text = replaced(text, odd, cells)
    text = pc.ascii_trim(text, characters=BLANKS)
    quoted = where_true(pc.match_substring_regex(text, rf"\A(?:{_QUOTES}.*{_QUOTES}|'.*')\z"))
    if quoted.size:
        inner = pc.utf8_slice_codeunits(text.take(pa.array(quoted)), 1, -1)
        text = replaced(text, quoted, pc.ascii_trim(inner, characters=BLANKS))
    return text


def bare(text: pa.StringArray) -> tuple[pa.StringArray, Positions]:
    """The cells without what is invisible at their ends, and which had some beyond ASCII; blanks alone may stay."""
    data = within(text)
    if not data.size or data.max() < _ASCII:
        return text, np.empty(0, np.int64)
    at = _suspects(text)
    if not at.size:
        return text, at
    at = at[where_true(pc.match_substring_regex(text.take(pa.array(at)), rf"\A{_OUTER}|{_OUTER}\z"))]
    if not at.size:
        return text, at
    return replaced(text, at, pc.replace_substring_regex(text.take(pa.array(at)), _AROUND, "")), at


#: Something invisible beyond ASCII, blanks maybe outside of it.
_OUTER = rf"[{BLANKS}]*[{_SOFT_HYPHEN}{_WIDTHLESS}{_ODD_BLANKS}][{BLANKS}]*"


def _suspects(text: pa.StringArray) -> Positions:
    """Cells that begin or end beyond ASCII, or with a blank."""
    filled = np.flatnonzero(lengths(text))
    if not filled.size:
        return filled
    ends, data = offsets(text), content(text)
    if filled.size == len(text):
        first, last = data[ends[:-1]], data[ends[1:] - 1]
    else:
        first, last = data[ends[:-1][filled]], data[ends[1:][filled] - 1]
    suspects: Positions = filled[(first >= _ASCII) | (last >= _ASCII) | (first <= ord(" ")) | (last <= ord(" "))]
    return suspects
