"""What the reader loses of a sheet of an XLSB workbook: a zip file whose parts are records, not XML.

A record is its kind and its length, seven bits a byte, and what it holds.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ingester.formats.plain import text, unreadable
from ingester.formats.sheets.number_format import Show, padding
from ingester.formats.sheets.sheet_lost import ERRORS, Lost, short_number
from ingester.formats.sheets.sheet_parts import main_part, relations

_ROW, _SHORT, _ERROR, _REAL, _FORMULA_REAL, _FORMULA_ERROR = 0, 2, 3, 5, 9, 11
#: Numbers, and where the byte with their sign is.
_NUMBERS = {_SHORT: 11, _REAL: 15, _FORMULA_REAL: 15}
_FORMAT, _STYLE, _BEGIN_STYLES, _END_STYLES, _SHEET = 44, 47, 617, 618, 156


def lost_cells(source: Path, sheet: str) -> Lost:
    """What is lost; numbers of twenty digits there are none."""
    with zipfile.ZipFile(source) as workbook:
        main = main_part(workbook)
        parts = {key: (kind, part) for key, kind, part in relations(workbook, main)}
        try:
            key = next((key for name, key in _sheets(workbook.read(main)) if name == sheet), "")
            part = parts.get(key, ("", ""))[1]
            if part not in workbook.namelist():
                raise unreadable(f'the workbook lists a sheet "{sheet}" that it does not have')
            styles = next((part for kind, part in parts.values() if kind.endswith("/styles")), "")
            shows = _shows(workbook.read(styles)) if styles in workbook.namelist() else {}
            return _scan(workbook.read(part), shows)
        except (struct.error, IndexError):
            raise unreadable("the workbook is damaged (a part of it ends too soon)") from None


def _records(part: bytes) -> Iterator[tuple[int, int]]:
    """Kind and place of each record."""
    at, end = 0, len(part)
    while at < end:
        kind = part[at]
        at += 1
        if kind > 0x7F:
            kind = (kind & 0x7F) | (part[at] & 0x7F) << 7
            at += 1
        length = part[at]
        at += 1
        if length > 0x7F:
            length &= 0x7F
            for shift in (7, 14, 21):
                more = part[at]
                at += 1
                length |= (more & 0x7F) << shift
                if more < 0x80:
                    break
        yield kind, at
        at += length


def _wide(part: bytes, at: int) -> tuple[str, int]:
    """A text, and where it ends."""
    (length,) = struct.unpack_from("<I", part, at)
    end = at + 4 + 2 * length if length != 0xFFFFFFFF else at + 4
    return part[at + 4 : end].decode("utf-16-le", "replace"), end


def _sheets(part: bytes) -> Iterator[tuple[str, str]]:
    """Name and key of each sheet."""
    for kind, at in _records(part):
        if kind == _SHEET:
            key, end = _wide(part, at + 8)
            yield _wide(part, end)[0], key


def _shows(part: bytes) -> dict[int, Show]:
    """The styles that show zeros in front of numbers."""
    formats: dict[int, Show | None] = {}
    shows: dict[int, Show] = {}
    style, is_of_cells = 0, False
    for kind, at in _records(part):
        if kind == _FORMAT:
            formats.setdefault(struct.unpack_from("<H", part, at)[0], padding(_wide(part, at + 2)[0]))
        elif kind in (_BEGIN_STYLES, _END_STYLES):
            is_of_cells = kind == _BEGIN_STYLES
        elif kind == _STYLE and is_of_cells:
            if (show := formats.get(struct.unpack_from("<H", part, at + 2)[0])) is not None:
                shows[style] = show
            style += 1
    return shows


def _scan(part: bytes, shows: dict[int, Show]) -> Lost:
    lost, row = Lost(), 0
    for kind, at in _records(part):
        if kind == _ROW:
            (row,) = struct.unpack_from("<I", part, at)
        elif kind in (_ERROR, _FORMULA_ERROR):
            (column,) = struct.unpack_from("<I", part, at)
            lost.keep((row, column), text(ERRORS.get(part[at + 8], "#VALUE!")))
        elif kind in _NUMBERS:
            is_negative = part[at + _NUMBERS[kind]] & 0x80
            if not is_negative and not shows:
                continue
            column, style = struct.unpack_from("<II", part, at)
            style &= 0xFFFFFF
            if is_negative:
                if style:
                    lost.negative.add((row, column))
            elif style in shows:
                lost.keep_shown((row, column), _number(part, at + 8, kind), shows[style])
    return lost


def _number(part: bytes, at: int, kind: int) -> float:
    if kind == _SHORT:
        return short_number(struct.unpack_from("<I", part, at)[0])
    return float(struct.unpack_from("<d", part, at)[0])
