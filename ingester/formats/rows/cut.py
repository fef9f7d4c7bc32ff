"""Where rows begin and end in a run of bytes, found with whole-array operations and verified. No values, no file.

Quote parity alone would trust any stray quote, so every quote is checked: one that opens stands at the start of a
cell, one that closes at its end, any other in a line that has no quoted cell. Verified bytes have one reading only
(RFC 4180), the one Arrow's parser and Python's `csv` share; bytes that fail go to `mend`.

A row ends at LF, CRLF or a CR by itself, outside quotes. A line with nothing on it is not a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

QUOTE, LF, CR = 0x22, 0x0A, 0x0D

#: Bytes searched at a time. The answer to a whole block would be memory that is fresh from the system each time.
_WINDOW = 1 << 20

#: How many cells with line breaks may hide among lines with literal quotes before `mend` had better decide.
_ROUNDS = 16

Positions = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cut:
    """Whole rows at the start of some bytes: `end` bytes, holding `line_count` line ends.

    `starts` is the offset of every row's first byte. `lines` is how many line ends stand before each row; None if
    row *i* simply is line *i*.
    """

    end: int
    starts: Positions
    lines: Positions | None
    line_count: int


def cut(data: bytes, at_end: bool, delimiter: str) -> Cut | None:
    """The whole rows at the start of `data`, which begins at a row; None if they cannot be told or verified.

    `at_end`: nothing follows `data` in its file, so that its last row needs no line end.
    """
    view = np.frombuffer(data, np.uint8)
    ends, quotes, inside = _ends_and_quotes(data, view, at_end)
    found = _rows(view, ends, ends[~inside], quotes, at_end, delimiter)
    if found or not quotes.size:
        return found
    bounding = _without_literal(view, ends, quotes, delimiter)
    if bounding is None:
        return None
    inside = (np.searchsorted(bounding, ends) & 1).astype(np.bool_)
    return _rows(view, ends, ends[~inside], bounding, at_end, delimiter)


def _ends_and_quotes(data: bytes, view: _Bytes, at_end: bool) -> tuple[Positions, Positions, _Mask]:
    """The offset of every line end's last byte and of every quote, and which of the line ends are in quotes."""
    codes = [code for code in (LF, QUOTE, CR) if code in data]
    found = _places(view, codes)
    if CR in codes:
        found = found[_counts(view, found, at_end)]
    if QUOTE not in codes:
        return found, found[:0], np.zeros(found.size, np.bool_)
    is_quote = view[found] == QUOTE
    place = np.flatnonzero(~is_quote)
    ends, quotes = found[place], found[np.flatnonzero(is_quote)]
    # Whatever stands before a line end and is none itself is a quote.
    place -= np.arange(place.size)
    return ends, quotes, (place & 1).astype(np.bool_)


def _places(view: _Bytes, codes: Sequence[int]) -> Positions:
    """Where any of `codes` is."""
    if not codes:
        return np.empty(0, np.int64)
    found = []
    for at in range(0, view.size, _WINDOW):
        window = view[at : at + _WINDOW]
        hit = window == codes[0]
        for code in codes[1:]:
            hit |= window == code
        places = np.flatnonzero(hit)
        places += at
        found.append(places)
    return found[0] if len(found) == 1 else np.concatenate(found)


def _counts(view: _Bytes, found: Positions, at_end: bool) -> _Mask:
    """Which of the places count: all but a CR before an LF, or one that may be, because more follows `view`."""
    counts = np.ones(found.size, np.bool_)
    returns = np.flatnonzero(view[found] == CR)
    after = found[returns] + 1
    last = after == view.size
    counts[returns] = np.where(last, at_end, view[np.where(last, 0, after)] != LF)
    return counts


def _verified(view: _Bytes, quotes: Positions, end: int, delimiter: str) -> bool:
    """Whether every quote stands where a quote may stand. Two neighbours inside quotes are one escaped quote."""
    if not quotes.size:
        return True
    if quotes.size % 2:
        return False
    beside = np.zeros(256, np.bool_)
    beside[[ord(delimiter), LF, CR, QUOTE]] = True
    opens = quotes[0::2] if quotes[0] else quotes[2::2]
    closes = quotes[1::2] if quotes[-1] < end - 1 else quotes[1:-1:2]
    return bool(beside[view[opens - 1]].all() and beside[view[closes + 1]].all())


def _without_literal(view: _Bytes, ends: Positions, quotes: Positions, delimiter: str) -> Positions | None:
    """The quotes without those of lines like `5" pipe`, which have none at the start of a cell; None if unsure.

    Such a line cannot open a cell. If it begins outside quotes, all its quotes are ordinary characters, for Arrow and
    for `csv` alike. If it begins inside, it is part of a cell with line breaks, and its quotes count.
    """
    opens = np.isin(view[quotes - 1], np.array([ord(delimiter), LF, CR], np.uint8))
    opens[0] |= quotes[0] == 0
    line = np.searchsorted(ends, quotes)
    can_open = np.zeros(ends.size + 1, np.bool_)
    can_open[line[opens]] = True
    literal = ~can_open[line]
    line_starts = np.concatenate((np.zeros(1, np.int64), ends + 1))
    for _ in range(_ROUNDS):
        bounding, suspects = quotes[~literal], line[literal]
        inside = np.searchsorted(bounding, line_starts[suspects]) & 1
        if not inside.any():
            return bounding
        # Up to the first such line the count of quotes was right.
        literal &= line != suspects[inside.argmax()]
    return None


def _rows(
    view: _Bytes, ends: Positions, row_ends: Positions, quotes: Positions, at_end: bool, delimiter: str
) -> Cut | None:
    """The rows if `quotes` are those around cells and in them, and `row_ends` those outside; None if that cannot be."""
    if at_end:
        end = view.size
    elif row_ends.size:
        end = int(row_ends[-1]) + 1
    else:
        return None
    if not _verified(view, quotes[: np.searchsorted(quotes, end)], end, delimiter):
        return None
    starts = np.concatenate((np.zeros(1, np.int64), row_ends + 1))
    starts = starts[: np.searchsorted(starts, end)]
    first = view[starts]
    blank = (first == LF) | (first == CR)
    line_count = int(np.searchsorted(ends, end))
    if line_count == np.searchsorted(row_ends, end) and not blank.any():
        return Cut(end, starts, None, line_count)
    starts = starts[~blank]
    return Cut(end, starts, np.searchsorted(ends, starts).astype(np.int64), line_count)
