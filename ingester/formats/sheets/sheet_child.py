"""The process that reads one workbook: what it takes is bounded, and what becomes of it is nobody else's trouble.

It speaks lines of JSON. First it is told what to read; where there are several sheets it shows some of each, and is
told which. It answers with the first rows of the sheet; then it is told where the header is, writes the plain file, and
answers with the count. Arrow is not loaded here.

A number is what Excel shows of it: 0.1 + 0.2 is 0.3, where floats have 0.30000000000000004. A date without a time of
day is a date, whatever its format shows; a duration is ISO 8601.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import python_calamine as calamine

from ingester.domain.errors import UnreadableFile
from ingester.formats.plain import TYPED, PlainWriter, text, too_large, typed, unreadable
from ingester.formats.serving import Allowed, hear, say, serve
from ingester.formats.sheets import ods_content, sheet_parts, xlsb_parts
from ingester.formats.sheets.number_format import EXACT, is_rounded
from ingester.formats.sheets.sheet_lost import Lost
from ingester.formats.sheets.xls_records import XlsRecords

#: Rows that are looked at for the header; a name is not longer than that.
SAMPLE_ROWS = 150
_SAMPLE_CELL = 4000
_NAMED = 8
#: What is looked at of each sheet before one is chosen.
_MOST_PREVIEWS = 50
_PREVIEW_ROWS = 50
_PREVIEW_COLUMNS = 200
_PREVIEW_CELL = 200
_ZIP = b"PK"
_ISO_TIME = re.compile(r"PT([0-9]{1,6})H([0-9]{1,2})M([0-9]{1,2}(?:\.[0-9]{1,9})?)S")
_Cell = str | int | float | bool | date | datetime | time | timedelta
_Row = Sequence[_Cell]


# --- cells -----------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """A float in plain digits: the shortest that mean it, or twelve where the rest is the noise of arithmetic."""
    if value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    digits = repr(value)
    if len(digits) > 15 and not value.is_integer():
        shown = f"{value:.12g}"
        if abs(float(shown) - value) <= 4 * math.ulp(value):
            digits = shown
    return format(Decimal(digits), "f").removesuffix(".0") if "e" in digits else digits.removesuffix(".0")


class _Floats:
    """Cells of floats. A number that a spreadsheet has rounded stands as a power of ten, which is no identifier."""

    def __init__(self) -> None:
        self.rounded = 0
        #: Whether no number was rounded by whoever wrote the sheet.
        self.are_exact = False

    def __call__(self, value: float) -> str:
        if not math.isfinite(value):
            return str(value)
        if abs(value) >= EXACT and self.is_rounded(value):
            self.rounded += 1
            mantissa, _, exponent = f"{value:.14E}".partition("E")
            return text(f"{mantissa.rstrip('0').rstrip('.')}E{exponent}")
        return typed(number(value))

    def is_rounded(self, value: _Cell) -> bool:
        if type(value) is not float or abs(value) < EXACT or self.are_exact:
            return False
        return math.isfinite(value) and is_rounded(number(value))


_floats = _Floats()


def _bool(value: bool) -> str:
    return typed("true" if value else "false")


def _datetime(value: datetime) -> str:
    return typed((value.date() if value.time() == time() else value).isoformat())


def _iso(value: date | time) -> str:
    return typed(value.isoformat())


def _duration(value: timedelta) -> str:
    whole, micro = divmod(abs(value) // timedelta(microseconds=1), 10**6)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{micro:06}".rstrip("0") if micro else ""
    parts = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{seconds}{fraction}S" * bool(seconds or micro)
    return typed(("-" if value < timedelta() else "") + "PT" + (parts or "0S"))


_AS_TEXT: dict[type, Callable[[Any], str]] = {
    str: text,
    float: _floats,
    bool: _bool,
    int: lambda value: typed(str(value)),
    datetime: _datetime,
    date: _iso,
    time: _iso,
    timedelta: _duration,
}


def _cells(row: _Row) -> list[str]:
    return [_AS_TEXT[type(cell)](cell) for cell in row]


def _shown(row: _Row) -> list[str]:
    """Cells for the eye that looks for a header."""
    return [
        cell[:_SAMPLE_CELL] if type(cell) is str else _AS_TEXT[type(cell)](cell).removeprefix(TYPED) for cell in row
    ]


# --- the workbook ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Book:
    """A workbook, and what tells what its reader loses of a sheet: of one by its name, and by its place of so many."""

    read: calamine.CalamineWorkbook
    is_ods: bool
    lost: Callable[[str, int, int], Lost]


def _open(source: Path, order: dict[str, Any]) -> _Book:
    with source.open("rb") as file:
        start = file.read(len(_ZIP))
    if start != _ZIP:
        records = XlsRecords(source)
        mended = records.mended()
        workbook = (
            _named(source, order, "xls") if mended is None else calamine.CalamineWorkbook.from_object(BytesIO(mended))
        )
        return _Book(workbook, False, lambda _, index, sheets: records.lost_cells(index, sheets))
    parts = sheet_parts.examine(source, order["unpacked_bytes"], order["ratio"], order["ratio_bytes"])
    if any(name.endswith("workbook.bin") for name in parts):
        return _Book(_named(source, order, "xlsb"), False, lambda name, *_: xlsb_parts.lost_cells(source, name))
    if "content.xml" in parts:
        return _Book(_named(source, order, "ods"), True, lambda name, *_: ods_content.lost_cells(source, name))
    return _Book(_named(source, order, "xlsx"), False, lambda name, *_: sheet_parts.lost_cells(source, name))


def _named(source: Path, order: dict[str, Any], kind: str) -> calamine.CalamineWorkbook:
    """The workbook, by a name that says what it is; else the reader tries all kinds and cannot say what is wrong."""
    link = Path(f"{order['target']}.{kind}")
    link.unlink(missing_ok=True)
    link.symlink_to(source)
    return calamine.CalamineWorkbook.from_path(link)


def _choose(workbook: calamine.CalamineWorkbook, wanted: str | None) -> tuple[calamine.CalamineSheet, list[str]]:
    """The sheet that is read, and others that have rows as well."""
    names = workbook.sheet_names
    if wanted is not None:
        by_name = [index for index, name in enumerate(names) if name.casefold() == wanted.strip().casefold()]
        if not by_name and wanted.isdecimal() and 0 < int(wanted) <= len(names):
            by_name = [int(wanted) - 1]
        if not by_name:
            named = ", ".join(f'"{name}"' for name in names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
            raise unreadable(f'it has no sheet "{wanted}"; it has {named}')
        return workbook.get_sheet_by_index(by_name[0]), []
    first: calamine.CalamineSheet | None = None
    places: list[int] = []
    previews: list[list[list[str]]] = []
    for index, sheet in enumerate(workbook.sheets_metadata):
        if sheet.visible is calamine.SheetVisibleEnum.Visible and sheet.typ is calamine.SheetTypeEnum.WorkSheet:
            loaded = workbook.get_sheet_by_index(index)
            if loaded.end is None:
                continue
            places.append(index)
            previews.append(_preview(loaded) if len(previews) < _MOST_PREVIEWS else [])
            if first is None:
                first = loaded
            del loaded
    if first is None:
        raise UnreadableFile("empty_file", "")
    if len(previews) == 1:
        return first, []
    say(previews=previews)
    choice = places[hear()["choice"]]
    others = [names[index] for index in places if index != choice]
    if choice == places[0]:
        return first, others
    del first
    return workbook.get_sheet_by_index(choice), others


def _preview(sheet: calamine.CalamineSheet) -> list[list[str]]:
    """As much of a sheet as tells whether it is a table, and which."""
    rows = (row[:_PREVIEW_COLUMNS] for row in sheet.iter_rows())
    filled = (row for row in rows if any(cell != "" for cell in row))
    return [[cell[:_PREVIEW_CELL] for cell in _shown(row)] for row in itertools.islice(filled, _PREVIEW_ROWS)]


class _Sheet:
    """One sheet's rows from row 0, with what the reader lost put back."""

    def __init__(self, sheet: calamine.CalamineSheet, lost: Lost, most_cells: int, has_iso_times: bool) -> None:
        end = sheet.end
        if end is None:
            raise UnreadableFile("empty_file", "")
        self._sheet = sheet
        self._lost = lost
        self._has_iso_times = has_iso_times
        start = sheet.start or (0, 0)
        columns = [column for _, column in lost.cells]
        self._left = min([start[1], *columns])
        self._pad = start[1] - self._left
        self.width = max([end[1], *columns]) + 1 - self._left
        self.height = max([end[0], *(row for row, _ in lost.cells)]) + 1
        self._lost_rows = {row for row, _ in lost.cells} | {row for row, _ in lost.negative}
        if self.width * self.height > most_cells:
            raise too_large(f"a sheet of {self.width * self.height} cells; at most {most_cells} are allowed")

    def rows(self) -> Iterator[tuple[int, _Row]]:
        """The rows that are not blank, by number from 0."""
        read = itertools.chain(self._sheet.iter_rows(), itertools.repeat([]))
        for number, row in zip(range(self.height), read, strict=False):
            if number in self._lost_rows or (row and self._pad):
                row = self._mended(number, row)
            if self._has_iso_times:
                row = [_time_of_day(cell) if isinstance(cell, str) else cell for cell in row]
            if any(cell != "" for cell in row):
                yield number, row

    def _mended(self, number: int, row: list[_Cell]) -> list[_Cell]:
        row = [""] * self._pad + row
        row += [""] * (self.width - len(row))
        for place, cell in enumerate(row):
            at = (number, self._left + place)
            if at in self._lost.cells:
                row[place] = _Written(self._lost.cells[at])
            elif isinstance(cell, time) and at in self._lost.negative:
                row[place] = "#NUM!"
        return row


def _time_of_day(cell: str) -> _Cell:
    """A time of ODS, which is a duration that may be one of the day's."""
    found = _ISO_TIME.fullmatch(cell)
    if found is None:
        return cell
    hours, minutes, seconds = int(found[1]), int(found[2]), Decimal(found[3])
    if hours < 24 and minutes < 60 and seconds < 60:
        return time(hours, minutes, int(seconds), int(seconds % 1 * 10**6))
    return timedelta(hours=hours, minutes=minutes, seconds=float(seconds))


class _Written(str):
    """A cell that is in plain form already."""

    __slots__ = ()


_AS_TEXT[_Written] = str


# --- the conversation ------------------------------------------------------------------------------------------------


def _read(order: dict[str, Any]) -> None:
    source = Path(order["source"])
    book = _open(source, order)
    chosen, others = _choose(book.read, order["sheet"])
    names = book.read.sheet_names
    lost = book.lost(chosen.name, names.index(chosen.name), len(names))
    _floats.are_exact = lost.has_all_digits
    sheet = _Sheet(chosen, lost, order["sheet_cells"], book.is_ods)
    sample = [(number, _shown(row)) for number, row in itertools.islice(sheet.rows(), SAMPLE_ROWS)]
    say(sheet=chosen.name, others=others, sample=sample, uncalculated=lost.uncalculated)
    heading = hear()
    first, last = _extent(sheet, heading["names"], heading["data"])
    with PlainWriter(Path(order["target"]), last - first, Allowed.of(order)) as writer:
        held: deque[tuple[int, list[str]]] = deque()
        rounded: set[int] = set()
        for number, row in sheet.rows():
            if number < heading["data"]:
                continue
            before = _floats.rounded
            cells = _cells(row[first:last])
            if _floats.rounded != before:
                rounded.update(place for place, cell in enumerate(row[first:last]) if _floats.is_rounded(cell))
            if len(cells) < last - first:
                cells += [""] * (last - first - len(cells))
            held.append((number, cells))
            if len(held) > heading["footer"]:
                number, cells = held.popleft()
                writer.write(cells, number + 1)
    say(rows=writer.rows, first=first, last=last, rounded=sorted(rounded))


def _extent(sheet: _Sheet, names: Sequence[str], data: int) -> tuple[int, int]:
    """Which columns have a name or a cell; nothing is dropped but blank columns at either side."""
    named = [place for place, name in enumerate(names) if name]
    first, last = min(named, default=sheet.width), max(named, default=-1) + 1
    if first == 0 and last == sheet.width:
        return first, last
    for number, row in sheet.rows():
        if number >= data:
            first = next((place for place, cell in enumerate(row[:first]) if cell != ""), first)
            last += next((len(row) - last - place for place, cell in enumerate(reversed(row[last:])) if cell != ""), 0)
    return first, max(first, last)


if __name__ == "__main__":
    serve(_read, "the workbook", {calamine.PasswordError: "the workbook is protected by a password"})
