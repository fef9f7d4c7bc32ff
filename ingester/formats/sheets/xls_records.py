"""The records of an XLS workbook: what its reader would take wrong or lose.

The file is a compound file (sectors in chains), and in it a stream of records, each of which has a kind and a length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from ingester.domain.errors import UnreadableFile
from ingester.formats.plain import unreadable
from ingester.formats.sheets.number_format import Show, is_duration, is_moment, padding
from ingester.formats.sheets.sheet_lost import ERRORS, NEVER_CALCULATED, Lost, short_number

_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_END_OF_CHAIN = 0xFFFFFFFA
_FORMULA, _BOOLEAN_OR_ERROR, _SHEET, _BEGIN, _END = 0x0006, 0x0205, 0x0085, 0x0809, 0x000A
_PASSWORD, _CODEPAGE, _FORMAT, _STYLE = 0x002F, 0x0042, 0x041E, 0x00E0
_NUMBER, _SHORT_NUMBER, _SHORT_NUMBERS = 0x0203, 0x027E, 0x00BD
#: Of a formula: to be calculated always, or when the file is opened.
_TO_CALCULATE = 3
_NO_RESULT = b"\3\0\0\0\0\0\xff\xff"
#: The version of records that Excel 97 brought, and that before it; older ones are not read.
_EXCEL_97, _EXCEL_5 = 0x0600, 0x0500
_UTF16 = 1200
#: Formats that every workbook has: dates and times; a number, a day, a duration.
_MOMENTS = frozenset((*range(14, 23), 45, 47))
_GENERAL, _DAY, _HOURS = 0, 14, 46


class XlsRecords:
    """The records of a workbook. Raises UnreadableFile for one with a password, or of another format as old."""

    def __init__(self, source: Path) -> None:
        self._data = source.read_bytes()
        try:
            self._stream, self._places, self._step = _workbook(self._data)
            self._version = 0
            self._codepages: list[int] = []
            self._starts: list[int] = []
            self._formats: dict[int, str] = {}
            #: Where each style says what its format is.
            self._styles: list[int] = []
            self._look_through()
        except (struct.error, IndexError):
            # A new workbook with a password is an old one that holds nothing but the new one, encrypted.
            raise _protected() if _ENCRYPTED in self._data else _ends_too_soon() from None

    def _look_through(self) -> None:
        stream = self._stream
        if len(stream) >= 6 and struct.unpack_from("<H", stream)[0] == _BEGIN:
            self._version = struct.unpack_from("<H", stream, 4)[0]
        for kind, at, length in _records(stream, 0):
            if kind == _PASSWORD:
                raise _protected()
            if kind == _CODEPAGE:
                self._codepages.append(at)
            elif kind == _SHEET:
                self._starts.append(struct.unpack_from("<I", stream, at)[0])
            elif kind == _FORMAT:
                self._formats[struct.unpack_from("<H", stream, at)[0]] = self._format(at + 2, at + length)
            elif kind == _STYLE:
                self._styles.append(at + 2)

    def _format(self, at: int, end: int) -> str:
        if self._version != _EXCEL_97:
            return self._stream[at + 1 : min(end, at + 1 + self._stream[at])].decode("latin-1")
        length, wide = struct.unpack_from("<HB", self._stream, at)
        raw = self._stream[at + 3 : min(end, at + 3 + length * (1 + (wide & 1)))]
        return raw.decode("utf-16-le" if wide & 1 else "latin-1", "replace")

    def mended(self) -> bytes | None:
        """The file as the reader takes it right, if it does not as it is.

        It decodes the texts of Excel 97 by the code page, which is but a word there and often wrong; and it drops the
        first character of every format of Excel 5, so that a number becomes a date.
        """
        patches: dict[int, int] = {}
        if self._version == _EXCEL_97:
            patches = {at: _UTF16 for at in self._codepages if self._word(at) != _UTF16}
        elif self._version == _EXCEL_5:
            for at in self._styles:
                if (code := self._formats.get(self._word(at))) is not None:
                    patches[at] = _HOURS if is_duration(code) else _DAY if is_moment(code) else _GENERAL
        if not patches:
            return None
        data = bytearray(self._data)
        for at, value in patches.items():
            for place, byte in enumerate(value.to_bytes(2, "little"), at):
                data[self._places[place // self._step] + place % self._step] = byte
        return bytes(data)

    def _word(self, at: int) -> int:
        return int(struct.unpack_from("<H", self._stream, at)[0])

    def lost_cells(self, index: int, sheets: int) -> Lost:
        """What is lost of one of as many sheets as the reader counts."""
        if len(self._starts) != sheets:
            raise unreadable("the workbook is damaged (it does not say where its sheets are)")
        try:
            return self._lost_cells(self._starts[index])
        except (struct.error, IndexError):
            raise _ends_too_soon() from None

    def _lost_cells(self, start: int) -> Lost:
        lost, stream = Lost(), self._stream
        shows = {style: show for style, at in enumerate(self._styles) if (show := self._padding(at)) is not None}
        moments = {style for style, at in enumerate(self._styles) if self._is_moment(at)}
        styled = shows.keys() | moments

        def keep(row: int, column: int, style: int, value: float) -> None:
            if style in shows:
                lost.keep_shown((row, column), value, shows[style])
            elif value < 0:
                lost.negative.add((row, column))

        for kind, at, length in _records(stream, start):
            if kind == _NUMBER:
                row, column, style, value = struct.unpack_from("<HHHd", stream, at)
                if style in styled:
                    keep(row, column, style, value)
            elif kind in (_SHORT_NUMBER, _SHORT_NUMBERS):
                row, first = struct.unpack_from("<HH", stream, at)
                end = at + length - (2 if kind == _SHORT_NUMBERS else 0)
                for column, (style, short) in enumerate(struct.iter_unpack("<HI", stream[at + 4 : end]), first):
                    if style in styled:
                        keep(row, column, style, short_number(short))
            elif kind == _BOOLEAN_OR_ERROR and stream[at + 7]:
                row, column = struct.unpack_from("<HH", stream, at)
                lost.keep((row, column), ERRORS.get(stream[at + 6], "#VALUE!"))
            elif kind == _FORMULA:
                row, column, style, result, flags = struct.unpack_from("<HHH8sH", stream, at)
                if result[6:] == b"\xff\xff" and result[0] == 2:
                    lost.keep((row, column), ERRORS.get(result[2], "#VALUE!"))
                elif flags & _TO_CALCULATE and (not any(result) or result == _NO_RESULT):
                    lost.keep((row, column), NEVER_CALCULATED)
                elif style in styled and result[6:] != b"\xff\xff":
                    keep(row, column, style, struct.unpack("<d", result)[0])
        return lost

    def _padding(self, at: int) -> Show | None:
        code = self._formats.get(self._word(at))
        return None if code is None else padding(code)

    def _is_moment(self, at: int) -> bool:
        key = self._word(at)
        return is_moment(self._formats[key]) if key in self._formats else key in _MOMENTS


def _protected() -> UnreadableFile:
    return unreadable("the workbook is protected by a password")


def _ends_too_soon() -> UnreadableFile:
    return unreadable("the workbook is damaged (it ends too soon)")


def _records(stream: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Kind, place and length of the records of one part of the workbook: its list of sheets, or a sheet."""
    depth = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        depth += (kind == _BEGIN) - (kind == _END)
        if kind == _END and depth <= 0:
            return
        if depth == 1:
            yield kind, at + 4, length
        at += 4 + length


def _workbook(data: bytes) -> tuple[bytes, list[int], int]:
    """The stream of records; where in the file its pieces lie, and how long each is.

    Data that is no compound file is a stream of its own.
    """
    if not data.startswith(b"\xd0\xcf\x11\xe0"):
        return data, [0], max(len(data), 1)
    shift, small_shift = struct.unpack_from("<HH", data, 30)
    fat_sectors, first_directory, _, cutoff, first_small, _, next_list, _ = struct.unpack_from("<II4sIIIII", data, 44)
    size = 1 << shift

    def sector(number: int) -> bytes:
        return data[(number + 1) << shift : (number + 2) << shift]

    lists = list(struct.unpack_from("<109I", data, 76))
    for _ in range(len(data) >> shift):
        if next_list >= _END_OF_CHAIN:
            break
        more = struct.unpack(f"<{size // 4}I", sector(next_list))
        lists += more[:-1]
        next_list = more[-1]
    table: list[int] = []
    for number in lists[: min(fat_sectors, len(data) >> shift)]:
        table += struct.unpack(f"<{size // 4}I", sector(number))

    def chain(number: int, following: list[int]) -> list[int]:
        numbers: list[int] = []
        for _ in range(len(following) + 1):
            if number >= _END_OF_CHAIN:
                break
            numbers.append(number)
            number = following[number]
        return numbers

    def whole(number: int) -> bytes:
        return b"".join(map(sector, chain(number, table)))

    directory = whole(first_directory)
    entries = {}
    for at in range(0, len(directory) - 127, 128):
        length = struct.unpack_from("<H", directory, at + 64)[0]
        name = directory[at : at + max(length - 2, 0)].decode("utf-16-le", "replace")
        entries[name] = (directory[at + 66], *struct.unpack_from("<II", directory, at + 116))
    found = next((entries[name] for name in ("Workbook", "Book", "WORKBOOK", "BOOK") if name in entries), None)
    if found is None:
        raise _protected() if _ENCRYPTED in data else unreadable("the file is no workbook")
    _, start, length = found
    if length >= cutoff:
        places = [(number + 1) << shift for number in chain(start, table)]
    else:
        root = next((entry for entry in entries.values() if entry[0] == 5), (5, _END_OF_CHAIN, 0))
        raw = whole(first_small)
        small = list(struct.unpack(f"<{len(raw) // 4}I", raw))
        held = [(number + 1) << shift for number in chain(root[1], table)]
        step = 1 << small_shift
        places = [held[n * step // size] + n * step % size for n in chain(start, small)]
        size = step
    return b"".join(data[place : place + size] for place in places)[:length], places, size
