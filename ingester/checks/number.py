"""Integers and exact decimals. A decimal stays text in one canonical form; it is never a float.

Canonical: no plus sign, no zeros before the first or after the last digit that counts, no `-0`, no bare point.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import BLANKS, content, lengths, offsets, replaced, without
from ingester.checks.fault import Fault, Mask, Positions, Typed, present, where_false, where_true
from ingester.checks.words import WIDTH, are_digits, where, word, words

#: Digits kept on either side of the point.
MAX_DIGITS = 38

_AROUND = f"[{BLANKS}]*"
_INTEGER = rf"\A{_AROUND}[+-]?[0-9]+{_AROUND}\z"
_NUMBER = rf"\A{_AROUND}[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+){_AROUND}\z"
_CANONICAL = r"\A(?:0|-?(?:[1-9][0-9]*(?:\.[0-9]*[1-9])?|0\.[0-9]*[1-9]))\z"
_TOO_LONG = rf"[0-9]{{{MAX_DIGITS + 1}}}"

#: By length: the bytes of a word that a cell has.
_USED = np.array([(1 << 8 * size) - 1 for size in range(WIDTH + 1)], np.uint64)
_ZEROS, _FIRST_BYTE, _SECOND = word("00000000"), np.uint64(0xFF), np.uint64(0x8000)
_BYTE, _ONE = np.uint64(8), np.uint64(1)

_INT64 = pa.int64()
_LARGEST, _SMALLEST = str(2**63 - 1), str(2**63)


def cast_integer(text: pa.StringArray) -> Typed:
    """`[+-]?digits`, blanks around them ignored → int64."""
    wrong = where_false(pc.match_substring_regex(text, _INTEGER))
    faults = [Fault("invalid_type", "integer", wrong)] if wrong.size else []
    text = without(text, wrong)
    try:
        return Typed(pc.cast(text, _INT64), faults)
    except pa.ArrowInvalid:
        # Blanks, a plus sign, many zeros, or a number that does not fit.
        negative, digits = _sign_and_digits(text)
        digits = pc.ascii_ltrim(digits, characters="0")
        size = lengths(digits)
        limit = pc.if_else(negative, _SMALLEST, _LARGEST)
        over = pc.and_(pa.array(size == len(_LARGEST)), pc.greater(digits, limit))
        large = np.union1d(np.flatnonzero((size > len(_LARGEST)) & present(text)), where_true(over))
        if large.size:
            faults.append(Fault("invalid_type", f"integer. Expected -{_SMALLEST} to {_LARGEST}", large))
        digits = pc.if_else(pc.equal(digits, ""), "0", digits)
        signed = pc.binary_join_element_wise(pc.if_else(negative, "-", ""), digits, "")
        return Typed(pc.cast(without(signed, large), _INT64), faults)


def cast_number(text: pa.StringArray) -> Typed:
    """`[+-]?(digits[.digits]|.digits)`, blanks around it ignored → canonical decimal text."""
    odd = _odd(text)
    faults = []
    if odd.size:
        chosen = text.take(pa.array(odd))
        wrong = where_false(pc.match_substring_regex(chosen, _NUMBER))
        if wrong.size:
            faults.append(Fault("invalid_type", "number", odd[wrong]))
        text = replaced(text, odd, _canonical(without(chosen, wrong)))
    size = lengths(text)
    if size.size and size.max() > MAX_DIGITS:
        large = where_true(pc.match_substring_regex(text, _TOO_LONG))
        if large.size:
            expected = f"{MAX_DIGITS} before and {MAX_DIGITS} after the point"
            faults.append(Fault("number_too_large", expected, large))
            text = without(text, large)
    return Typed(text, faults)


def _odd(text: pa.StringArray) -> Positions:
    """The cells that are no canonical decimals."""
    odd = np.flatnonzero(present(text) & ~_short_and_canonical(text))
    long = odd[lengths(text)[odd] > WIDTH]
    if not long.size:
        return odd
    is_odd = np.zeros(len(text), np.bool_)
    is_odd[odd] = True
    matches = pc.match_substring_regex(text.take(pa.array(long)), _CANONICAL)
    is_odd[long] = ~matches.to_numpy(zero_copy_only=False)
    return np.flatnonzero(is_odd)


def _short_and_canonical(text: pa.StringArray) -> Mask:
    """Which cells match `_CANONICAL` and have as many bytes as a word at most; nulls may be among them."""
    starts, size = offsets(text)[:-1], lengths(text)
    # Eight bytes from any start can be read when eight more follow the last.
    data = np.concatenate((content(text), np.zeros(WIDTH, np.uint8)))
    cells = (words(data)[starts] ^ _ZEROS) & _USED[np.minimum(size, WIDTH)]
    last = data[np.maximum(starts + size - 1, 0)]
    negative = cells & _FIRST_BYTE == ord("-") ^ ord("0")
    cells >>= negative * _BYTE
    points = where(cells, ord(".") ^ ord("0"))
    digits = cells ^ (points >> np.uint64(7)) * np.uint64(ord(".") ^ ord("0"))
    bare = points == 0
    first = digits & _FIRST_BYTE != 0
    right = are_digits(digits) & (points & (points - _ONE) == 0)
    right &= first | (points == _SECOND) | (bare & (size == 1) & ~negative)
    right &= bare | (last - np.uint8(ord("1")) <= 8)
    canonical: Mask = right & (size > 0) & (size <= WIDTH)
    return canonical


def _sign_and_digits(text: pa.StringArray) -> tuple[pa.BooleanArray, pa.StringArray]:
    trimmed = pc.ascii_trim(text, characters=BLANKS)
    return pc.starts_with(trimmed, "-"), pc.ascii_ltrim(trimmed, characters="+-")


def _canonical(text: pa.StringArray) -> pa.StringArray:
    negative, digits = _sign_and_digits(text)
    fraction = pc.match_substring(digits, ".")
    digits = pc.if_else(fraction, pc.ascii_rtrim(digits, characters="0"), digits)
    digits = pc.ascii_ltrim(pc.ascii_rtrim(digits, characters="."), characters="0")
    bare = pc.or_(pc.equal(digits, ""), pc.starts_with(digits, "."))
    digits = pc.if_else(bare, pc.binary_join_element_wise("0", digits, ""), digits)
    minus = pc.and_(negative, pc.not_equal(digits, "0"))
    return pc.if_else(minus, pc.binary_join_element_wise("-", digits, ""), digits)
