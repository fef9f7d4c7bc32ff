"""What the reader loses of a sheet of an XLS workbook, found in its records.

The file is a compound file (sectors in chains), and in it a stream of records, each of which has a kind and a length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from ingester.formats.plain import unreadable
from ingester.formats.sheets.sheet_lost import NEVER_CALCULATED, Lost

_END_OF_CHAIN = 0xFFFFFFFA
_FORMULA, _BOOLEAN_OR_ERROR, _SHEET, _BEGIN, _END = 0x0006, 0x0205, 0x0085, 0x0809, 0x000A
_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
#: Of a formula: to be calculated always, or when the file is opened.
_TO_CALCULATE = 3
_NO_RESULT = b"\3\0\0\0\0\0\xff\xff"


def lost_cells(source: Path, index: int, sheets: int) -> Lost:
    """What is lost of one of as many sheets as the reader counts. Raises UnreadableFile for other formats as old."""
    lost = Lost()
    try:
        stream = _workbook(source.read_bytes())
        starts = [struct.unpack_from("<I", stream, at)[0] for kind, at, _ in _records(stream, 0) if kind == _SHEET]
        if len(starts) != sheets:
            raise unreadable("the workbook is damaged (it does not say where its sheets are)")
        for kind, at, _ in _records(stream, starts[index]):
            if kind == _BOOLEAN_OR_ERROR and stream[at + 7]:
                row, column = struct.unpack_from("<HH", stream, at)
                lost.keep((row, column), _ERRORS.get(stream[at + 6], "#VALUE!"))
            elif kind == _FORMULA:
                row, column, _, result, flags = struct.unpack_from("<HHH8sH", stream, at)
                if result[6:] == b"\xff\xff" and result[0] == 2:
                    lost.keep((row, column), _ERRORS.get(result[2], "#VALUE!"))
                elif flags & _TO_CALCULATE and (not any(result) or result == _NO_RESULT):
                    lost.keep((row, column), NEVER_CALCULATED)
    except (struct.error, IndexError):
        raise unreadable("the workbook is damaged (it ends too soon)") from None
    return lost


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


def _workbook(data: bytes) -> bytes:
    """The stream of records; data that is no compound file is one."""
    if not data.startswith(b"\xd0\xcf\x11\xe0"):
        return data
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

    def chain(number: int, following: list[int], step: int, source: bytes | None) -> bytes:
        parts = []
        for _ in range(len(following) + 1):
            if number >= _END_OF_CHAIN:
                break
            parts.append(sector(number) if source is None else source[number * step : (number + 1) * step])
            number = following[number]
        return b"".join(parts)

    directory = chain(first_directory, table, size, None)
    entries = {}
    for at in range(0, len(directory) - 127, 128):
        length = struct.unpack_from("<H", directory, at + 64)[0]
        name = directory[at : at + max(length - 2, 0)].decode("utf-16-le", "replace")
        entries[name] = (directory[at + 66], *struct.unpack_from("<II", directory, at + 116))
    found = entries.get("Workbook") or entries.get("Book")
    if found is None:
        raise unreadable("the file is no workbook")
    _, start, length = found
    if length >= cutoff:
        return chain(start, table, size, None)[:length]
    root = next((entry for entry in entries.values() if entry[0] == 5), (5, _END_OF_CHAIN, 0))
    raw = chain(first_small, table, size, None)
    small = list(struct.unpack(f"<{len(raw) // 4}I", raw))
    return chain(start, small, 1 << small_shift, chain(root[1], table, size, None))[:length]
