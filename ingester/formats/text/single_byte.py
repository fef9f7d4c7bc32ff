"""Encodings of one byte a character, as of the West, in which what looks like ASCII is ASCII: text in them as UTF-8."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

#: How the names of Python's codecs begin that are such encodings.
_NAMES = ("cp125", "iso8859", "koi8", "mac", "cp437", "cp85", "cp86", "ascii", "latin")
_BEYOND_ASCII = 0x80
_ASCII = bytes(range(_BEYOND_ASCII))
#: Python's own codec takes the same time for every byte; whole arrays are quicker while at most one of so many counts.
_SPARSE = 16


def has_single_bytes(codec: str) -> bool:
    """Whether a codec of Python's is such an encoding; that of Arabic DOS has another percent sign."""
    return codec.startswith(_NAMES) and _ASCII.decode(codec) == _ASCII.decode("ascii")


def single_bytes_as_utf8(raw: bytes, codec: str) -> bytes | memoryview:
    """Text in such an encoding as UTF-8. Raises UnicodeDecodeError."""
    if raw.isascii():
        return raw
    bytes_ = np.frombuffer(raw, np.uint8)
    beyond = np.flatnonzero(bytes_ >= _BEYOND_ASCII)
    table, which = _table(codec), bytes_[beyond]
    longer = table.longer[which]
    if beyond.size * _SPARSE > len(raw) or longer.min() < 0:
        return raw.decode(codec).encode()
    grown = np.cumsum(longer)
    # Where each character beyond ASCII begins in UTF-8; all else keeps its order around them.
    begins = beyond + grown - longer
    utf8, is_kept = np.empty(len(raw) + int(grown[-1]), np.uint8), np.ones(len(raw) + int(grown[-1]), bool)
    for more in range(1, int(longer.max()) + 1):
        is_kept[begins[longer >= more] + more] = False
    utf8[is_kept] = bytes_
    for place in range(int(longer.max()) + 1):
        has_it = longer >= place
        utf8[begins[has_it] + place] = table.utf8[place, which[has_it]]
    return utf8.data


@dataclass(frozen=True, slots=True)
class _Table:
    """Of every byte: how much longer its character is in UTF-8, -1 if it is none, and its bytes there one by one."""

    longer: npt.NDArray[np.int64]
    utf8: npt.NDArray[np.uint8]


@cache
def _table(codec: str) -> _Table:
    longer, utf8 = np.full(256, -1, np.int64), np.zeros((3, 256), np.uint8)
    for byte in range(256):
        try:
            character = bytes([byte]).decode(codec).encode()
        except UnicodeDecodeError:
            continue
        longer[byte] = len(character) - 1
        utf8[: len(character), byte] = list(character)
    return _Table(longer, utf8)
