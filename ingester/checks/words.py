"""Short texts seen eight bytes at a time: one 64-bit number for each, its first byte the lowest.

Eight characters of many cells are tested and read by a few operations on whole columns of such words, after Lamport's
"Multiple byte processing with full-word instructions" (1975). Which words mean what is not known here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingester.checks.cells import Bytes
from ingester.checks.fault import Mask

Words = npt.NDArray[np.uint64]

WIDTH = 8


def word(text: str) -> np.uint64:
    """Up to eight ASCII characters as a word, NUL where there are fewer."""
    return np.uint64(int.from_bytes(text.encode("ascii"), "little"))


def repeated(byte: int) -> np.uint64:
    """The word of eight times the same byte."""
    return np.uint64(byte * 0x0101010101010101)


_HIGH = repeated(0x80)
_LOW = repeated(0x7F)
_OVER_NINE = repeated(0x76)


def words(data: Bytes) -> Words:
    """The word that begins at each byte of `data` but the last seven; a view."""
    return np.ndarray(max(data.size - WIDTH + 1, 0), "<u8", data, strides=(1,))


def where(values: Words, byte: int) -> Words:
    """The highest bit of every byte that is `byte`, no other bit."""
    other = values ^ repeated(byte)
    return ~(((other & _LOW) + _LOW) | other) & _HIGH


def are_digits(values: Words) -> Mask:
    """Whether every byte is from 0 to 9: of a text, once `word("00000000")` is taken away with `^`."""
    # A byte whose sum spills into the next has its own high bit set in either the sum or itself.
    digits: Mask = ((values + _OVER_NINE) | values) & _HIGH == 0
    return digits
