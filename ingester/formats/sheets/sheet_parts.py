"""The parts of a workbook that is a zip file, looked through before the reader that would hold them in memory.

They may be a bomb, or define entities; and of a sheet of XLSX they tell what the reader loses.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from ingester.domain.size import in_words
from ingester.formats.plain import text, too_large, typed, unreadable
from ingester.formats.sheets.number_format import Show, is_rounded, padding
from ingester.formats.sheets.sheet_lost import NEVER_CALCULATED, Lost

_CHUNK = 1 << 20
#: The lists of sheets and of parts; and what is between two cells.
_LIST_LIMIT = 16 << 20
_MOST_PARTS = 20_000
_FORBIDDEN = [mark.encode(codec) for mark in ("<!DOCTYPE", "<!ENTITY") for codec in ("utf-8", "utf-16-le", "utf-16-be")]
_OVERLAP = 32

_ROOT = re.compile(rb"<(?:(\w+):)?worksheet\b")
_ATTRIBUTE = re.compile(rb"""\s(r|s|t)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_REFERENCE = re.compile(rb"([A-Z]{1,3})([0-9]{1,7})")
_LONG = re.compile(rb"-?[0-9]{16,}")
_DIGITS = re.compile(rb"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_FULL_CALCULATION = re.compile(rb"fullCalcOnLoad\s*=\s*[\"'](?:1|true)[\"']")


def examine(source: Path, unpacked_bytes: int, ratio: int, ratio_bytes: int) -> frozenset[str]:
    """The names of the parts. Raises UnreadableFile for a bomb, entities, encryption and what is no zip file."""
    total, allowed = 0, max(source.stat().st_size * ratio, ratio_bytes)
    with zipfile.ZipFile(source) as workbook:
        parts = workbook.infolist()
        if len(parts) > _MOST_PARTS:
            raise too_large(f"a workbook of {len(parts)} parts")
        for part in parts:
            if part.flag_bits & 1:
                raise unreadable("the workbook is protected by a password")
            is_xml = part.filename.endswith((".xml", ".rels"))
            with workbook.open(part) as file:
                before = b""
                while chunk := file.read(_CHUNK):
                    total += len(chunk)
                    if total > unpacked_bytes:
                        raise too_large(f"a workbook of over {in_words(unpacked_bytes)} unpacked")
                    if total > allowed:
                        raise too_large(f"a workbook over {ratio} times as large when it is unpacked")
                    if is_xml:
                        window = before + chunk
                        if any(mark in window for mark in _FORBIDDEN):
                            raise unreadable(
                                "the workbook defines entities of its own, which no spreadsheet program does"
                            )
                        before = chunk[-_OVERLAP:]
        return frozenset(part.filename for part in parts)


def lost_cells(source: Path, sheet: str) -> Lost:
    """What the reader would lose of a sheet of an xlsx file."""
    with zipfile.ZipFile(source) as workbook:
        main = main_part(workbook)
        listing = _small(workbook, main)
        part = _part(workbook, main, sheet)
        if part not in workbook.namelist():
            raise unreadable(f'the workbook lists a sheet "{sheet}" that it does not have')
        shows = _shows(workbook, main)
        with workbook.open(part) as file:
            return _scan(file, _FULL_CALCULATION.search(listing) is not None, shows)


def _small(workbook: zipfile.ZipFile, name: str) -> bytes:
    if workbook.getinfo(name).file_size > _LIST_LIMIT:
        raise too_large(f"a workbook with a list of sheets of over {in_words(_LIST_LIMIT)}")
    return workbook.read(name)


def _xml(workbook: zipfile.ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(_small(workbook, name))  # noqa: S314 - `examine` refused whatever defines entities


def main_part(workbook: zipfile.ZipFile) -> str:
    """The name of the part that lists the sheets."""
    if "_rels/.rels" in workbook.namelist():
        for relation in _xml(workbook, "_rels/.rels"):
            if relation.get("Type", "").endswith("/officeDocument"):
                return relation.get("Target", "").lstrip("/")
    return "xl/workbook.xml"


def relations(workbook: zipfile.ZipFile, main: str) -> Iterator[tuple[str, str, str]]:
    """Key, kind and name of the parts that belong to the list of sheets."""
    folder, name = posixpath.split(main)
    for relation in _xml(workbook, f"{folder}/_rels/{name}.rels".lstrip("/")):
        target = relation.get("Target", "")
        part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        yield relation.get("Id", ""), relation.get("Type", ""), part


def _part(workbook: zipfile.ZipFile, main: str, sheet: str) -> str:
    parts = {key: part for key, _, part in relations(workbook, main)}
    for element in _xml(workbook, main).iter():
        if element.tag.rpartition("}")[2] == "sheet" and element.get("name") == sheet:
            key = next((value for name, value in element.items() if name.endswith("}id")), "")
            return parts.get(key, "")
    return ""


def _shows(workbook: zipfile.ZipFile, main: str) -> dict[bytes, Show]:
    """The styles that show zeros in front of numbers."""
    part = next((part for _, kind, part in relations(workbook, main) if kind.endswith("/styles")), "")
    shows: dict[bytes, Show] = {}
    if part not in workbook.namelist():
        return shows
    formats: dict[str | None, Show | None] = {}
    style, is_of_cells = 0, False
    with workbook.open(part) as file:
        for event, element in ElementTree.iterparse(file, ("start", "end")):  # noqa: S314 - as above
            match event, element.tag.rpartition("}")[2]:
                case "start", "numFmt":
                    formats.setdefault(element.get("numFmtId"), padding(element.get("formatCode", "")))
                case _, "cellXfs":
                    is_of_cells = event == "start"
                case "start", "xf" if is_of_cells:
                    if (show := formats.get(element.get("numFmtId"))) is not None:
                        shows[b"%d" % style] = show
                    style += 1
            if event == "end":
                element.clear()
    return shows


def _scan(file: IO[bytes], calculated_on_load: bool, shows: dict[bytes, Show]) -> Lost:
    lost = Lost()
    for window, prefix in _windows(file):
        _Scanner(prefix, calculated_on_load, shows, lost).scan(window)
    return lost


def _windows(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """A sheet in runs of whole cells, and what stands before its tags' names."""
    rest, prefix = b"", None
    while chunk := file.read(_CHUNK):
        data = rest + chunk
        if prefix is None:
            root = _ROOT.search(data)
            prefix = b"" if root is None else (root[1] + b":" if root[1] else b"")
        cut = data.rfind(b"<" + prefix + b"c ")
        if cut > 0:
            yield data[:cut], prefix
        rest = data[max(cut, 0) :]
        if len(rest) > _LIST_LIMIT:
            raise too_large(f"a cell of over {in_words(_LIST_LIMIT)}")
    yield rest, prefix or b""


class _Scanner:
    """Finds the cells that matter by what is in them, and reads those only."""

    def __init__(self, prefix: bytes, calculated_on_load: bool, shows: dict[bytes, Show], lost: Lost) -> None:
        name = re.escape(prefix)
        self._open = (b"<" + prefix + b"c ", b"<" + prefix + b"c>")
        self._close = b"</" + prefix + b"c>"
        # One by one: an expression that begins with a text is searched many times faster than one of several.
        self._triggers = [
            re.compile(pattern)
            for pattern in (rb"<%bf[\s/>]" % name, rb't="e"', rb"t='e'", rb"<%bv>[0-9]{16}" % name, rb"<%bv>-" % name)
        ]
        if shows:
            styles = b"|".join(shows)
            self._triggers += [re.compile(rb's="(?:%b)"' % styles), re.compile(rb"s='(?:%b)'" % styles)]
        self._shows = shows
        self._formula = re.compile(rb"<%bf[\s/>]" % name)
        self._value = re.compile(rb"<%bv(?:\s*/>|(?:\s[^>/]*)?>([^<]*)</%bv>)" % (name, name))
        self._calculated_on_load = calculated_on_load
        self._lost = lost

    def scan(self, window: bytes) -> None:
        done = 0
        found = sorted({match.start() for trigger in self._triggers for match in trigger.finditer(window)})
        for place in found:
            if place < done:
                continue
            start = max(window.rfind(opening, done, place + 1) for opening in self._open)
            begin = window.find(b">", start)
            if start < 0 or begin < 0:
                continue
            head = window[start + len(self._close) - 2 : begin]
            done = begin if head.endswith(b"/") else window.find(self._close, begin)
            done = len(window) if done < 0 else done
            # Unless it is between cells, or after the last: `t="e"` of something else.
            if done > place:
                self._cell(head, window[begin + 1 : done])

    def _cell(self, head: bytes, content: bytes) -> None:
        attributes = {name: double or single for name, double, single in _ATTRIBUTE.findall(head)}
        kind = attributes.get(b"t", b"n")
        found = self._value.search(content)
        value = (found[1] or b"").strip() if found else b""
        if kind == b"e":
            error = value.decode("ascii", "replace")
            self._keep(attributes, text(error if error.startswith("#") else "#VALUE!"))
        elif self._formula.search(content) and not self._is_calculated(kind, found is not None, value):
            self._keep(attributes, NEVER_CALCULATED)
        elif kind == b"n" and _LONG.fullmatch(value):
            if not is_rounded(value.decode()):
                self._lost.has_all_digits = True
                self._keep(attributes, typed(str(int(value)) if len(value) < 1000 else value.decode()))
        elif kind == b"n" and (show := self._shows.get(attributes.get(b"s", b""))) and _DIGITS.fullmatch(value):
            self._lost.keep_shown(_place(attributes), float(value), show)
        elif kind == b"n" and value.startswith(b"-") and b"s" in attributes:
            self._lost.negative.add(_place(attributes))

    def _is_calculated(self, kind: bytes, has_value: bool, value: bytes) -> bool:
        if kind in (b"str", b"s", b"inlineStr"):
            return has_value  # `<v/>` is a text of no characters
        # Libraries that write formulas write 0 for what a spreadsheet program is to find out when it opens the file.
        return value != b"" and not (self._calculated_on_load and value == b"0")

    def _keep(self, attributes: dict[bytes, bytes], cell: str) -> None:
        self._lost.keep(_place(attributes), cell)


def _place(attributes: dict[bytes, bytes]) -> tuple[int, int]:
    reference = _REFERENCE.fullmatch(attributes.get(b"r", b""))
    if reference is None:
        raise unreadable("the workbook has formulas or errors in cells that do not say where they are")
    column = 0
    for letter in reference[1]:
        column = column * 26 + letter - 64
    return int(reference[2]) - 1, column - 1
