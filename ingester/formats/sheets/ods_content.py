"""What the reader loses of a sheet of an ODS workbook, found in its content."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.parsers import expat

from ingester.formats.plain import text, typed, unreadable
from ingester.formats.sheets.number_format import is_rounded
from ingester.formats.sheets.sheet_lost import NEVER_CALCULATED, Lost

_CHUNK = 1 << 18
_MAY_LOSE = re.compile(
    rb"""table:formula=|office:value=["']-?[0-9]{16}|number:min-integer-digits=["'](?:[2-9]|[1-9][0-9])["']"""
)
_OVERLAP = 64
_ERROR = re.compile(r"#[A-Z][A-Z0-9_/]*[!?]?|Err:[0-9]{3}")
_LONG = re.compile(r"-?[0-9]{16,1000}")
#: A number with zeros in front, as it is shown.
_PADDED = re.compile(r"0+([0-9]+)")
#: Cells that one tag may repeat, if they are of those that are lost.
_MOST_REPEATED = 100_000


def lost_cells(source: Path, sheet: str) -> Lost:
    """What is lost; the document defines no entities."""
    with zipfile.ZipFile(source) as workbook:
        if not _may_lose(workbook):
            return Lost()
        content = _Content(sheet)
        with workbook.open("content.xml") as file:
            try:
                while chunk := file.read(_CHUNK):
                    content.parser.Parse(chunk, False)
                content.parser.Parse(b"", True)
            except expat.ExpatError as error:
                raise unreadable(f"the workbook is damaged (line {error.lineno} of its content)") from None
        return content.lost


def _may_lose(workbook: zipfile.ZipFile) -> bool:
    before = b""
    with workbook.open("content.xml") as file:
        while chunk := file.read(_CHUNK):
            if _MAY_LOSE.search(before + chunk):
                return True
            before = chunk[-_OVERLAP:]
    return False


class _Content:
    """Counts rows and cells, whose tags may say that they are repeated."""

    def __init__(self, sheet: str) -> None:
        self.lost = Lost()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._sheet = sheet
        self._inside = False
        self._row = self._column = 0
        self._repeated_row = 1
        self._cell: dict[str, str] | None = None
        self._shown = ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            self._inside, self._row = attributes.get("table:name") == self._sheet, 0
        elif not self._inside:
            return
        elif name == "table:table-row":
            self._column, self._repeated_row = 0, int(attributes.get("table:number-rows-repeated", 1))
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._cell, self._shown = attributes, ""

    def _text(self, data: str) -> None:
        if self._cell is not None and len(self._shown) < _OVERLAP:
            self._shown += data

    def _end(self, name: str) -> None:
        if not self._inside:
            return
        if name == "table:table":
            self._inside = False
        elif name == "table:table-row":
            self._row += self._repeated_row
        elif name in ("table:table-cell", "table:covered-table-cell") and self._cell is not None:
            repeated = int(self._cell.get("table:number-columns-repeated", 1))
            if (cell := self._lost(self._cell)) is not None:
                if repeated * self._repeated_row > _MOST_REPEATED:
                    raise unreadable("the workbook repeats a cell without a value many times")
                for row in range(self._row, self._row + self._repeated_row):
                    for column in range(self._column, self._column + repeated):
                        self.lost.keep((row, column), cell)
            self._column += repeated
            self._cell = None

    def _lost(self, cell: dict[str, str]) -> str | None:
        shown, value = self._shown.strip(), cell.get("office:value", "")
        if "table:formula" in cell:
            if _ERROR.fullmatch(shown) or cell.get("calcext:value-type") == "error":
                return text(shown or "#VALUE!")
            if "office:value-type" not in cell and not shown:
                return NEVER_CALCULATED
        if _LONG.fullmatch(value):
            if is_rounded(value):
                return None
            self.lost.has_all_digits = True
            return typed(str(int(value)))
        padded = _PADDED.fullmatch(shown)
        return shown if padded is not None and padded[1] == value else None
