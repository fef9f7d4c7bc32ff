from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from datetime import time as clock
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
import xlwt
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from xlwt.CompoundDoc import XlsDoc

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.sheets.sheet import transcribe
from ingester.formats.sheets.sheet_child import number
from ingester.formats.transcribed import Transcribed
from tests.plain_form import Typed, by_line

Table = dict[int, list[str | Typed]]


def read(path: Path, reads: Reads | None = None, limits: Limits | None = None) -> tuple[Transcribed, Table]:
    found = transcribe(path, path.with_suffix(".plain"), reads or Reads(), limits or Limits())
    return found, by_line(path.with_suffix(".plain"))


def refusal(path: Path, reads: Reads | None = None, limits: Limits | None = None) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as refused:
        read(path, reads, limits)
    return refused.value


def workbook(tmp_path: Path, *rows: list[Any], **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    for name, others in sheets.items():
        sheet = book.create_sheet(name)
        for row in others:
            sheet.append(row)
    book.save(tmp_path / "book.xlsx")
    return tmp_path / "book.xlsx"


def patched(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The workbook with one of its parts changed."""
    whole = BytesIO()
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, change(before.read(name)) if name.endswith(part) else before.read(name))
    path.write_bytes(whole.getvalue())
    return path


def test_cells_keep_their_types(tmp_path: Path) -> None:
    cells = {
        "text": ("00123", "00123"),
        "breaks": ("a\nb\t", "a\nb\t"),
        "whole": (5, Typed("5")),
        "fraction": (0.25, Typed("0.25")),
        "yes": (True, Typed("true")),
        "day": (date(2026, 4, 3), Typed("2026-04-03")),
        "midnight": (datetime.fromisoformat("2026-04-03T00:00:00"), Typed("2026-04-03")),
        "moment": (datetime.fromisoformat("2026-04-03T10:20:30"), Typed("2026-04-03T10:20:30")),
        "time": (clock(10, 20, 30), Typed("10:20:30")),
        "duration": (timedelta(hours=26, minutes=30), Typed("PT26H30M")),
        "empty": (None, ""),
        "error": ("#N/A", "#N/A"),
    }
    found, table = read(workbook(tmp_path, list(cells), [sent for sent, _ in cells.values()]))
    assert found.names == tuple(cells)
    assert table == {2: [expected for _, expected in cells.values()]}


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (0.1 + 0.2, "0.3"),
        (1.1 * 3, "3.3"),
        (1 / 3, "0.3333333333333333"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (-0.0, "0"),
        (123456789012345.0, "123456789012345"),
        (1234567890.12, "1234567890.12"),
        (0.1234567890123456, "0.1234567890123456"),
        (5e-324, "0." + "0" * 323 + "5"),
        (9007199254740993.0, "9007199254740992"),
    ],
)
def test_numbers_are_plain_digits_without_the_noise_of_floats(value: float, digits: str) -> None:
    assert number(value) == digits


def test_percent_and_currency_are_the_number(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "book.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["rate", "price"])
        sheet.write(1, 0, 0.05, book.add_format({"num_format": "0%"}))
        sheet.write(1, 1, -1234.5, book.add_format({"num_format": "[$$-409]#,##0.00;[Red]-[$$-409]#,##0.00"}))
    assert read(tmp_path / "book.xlsx")[1] == {2: [Typed("0.05"), Typed("-1234.5")]}


def test_dates_of_a_workbook_that_counts_from_1904_are_right(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    assert book.active is not None
    book.active.append(["day"])
    book.active.append([date(2026, 4, 3)])
    book.save(tmp_path / "book.xlsx")
    assert read(tmp_path / "book.xlsx")[1] == {2: [Typed("2026-04-03")]}


def test_the_header_is_found_below_a_title_and_lines_are_rows_of_the_sheet(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Customers"],
        [],
        ["id", "name", "since"],
        ["1", "Ann", date(2026, 1, 1)],
        [],
        ["2", "Bo"],
    ]
    found, table = read(workbook(tmp_path, *rows))
    assert (found.names, found.header_row, found.first_line, found.rows) == (("id", "name", "since"), 3, 4, 2)
    assert table == {4: ["1", "Ann", Typed("2026-01-01")], 6: ["2", "Bo", ""]}


def test_names_that_the_rules_know_are_the_header(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["Report of", "the day"], ["who", "what"], ["1", "2"])
    found = transcribe(path, tmp_path / "plain", Reads(), Limits(), lambda name: name in ("who", "what"))
    assert (found.names, found.header_row) == (("who", "what"), 2)


def test_a_feed_says_where_the_header_is_or_that_there_is_none(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["x", "y"], ["id", "name"], ["1", "Ann"])
    found, table = read(path, Reads(header=2))
    assert (found.names, found.header_row, table) == (("id", "name"), 2, {3: ["1", "Ann"]})
    found, table = read(path, Reads(header=0, columns=("a", "b"), footer=1))
    assert (found.names, found.header_row, table) == (("a", "b"), None, {1: ["x", "y"], 2: ["id", "name"]})
    assert refusal(path, Reads(header=7)).code == "missing_header"


def test_blank_columns_at_the_sides_are_dropped_and_no_cell_is(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["", "Title"], [], ["", "id", "name"], ["", "1", "Ann"], ["", "2", "Bo", "odd"])
    found, table = read(path)
    assert found.names == ("id", "name", "")
    assert table == {4: ["1", "Ann", ""], 5: ["2", "Bo", "odd"]}


def test_the_first_visible_sheet_with_rows_is_read_and_others_are_told(tmp_path: Path) -> None:
    path = workbook(tmp_path, Hidden=[["h"]], Blank=[], Data=[["id"], ["1"]], More=[["q"], ["2"]])
    book = openpyxl.load_workbook(path)
    book["Hidden"].sheet_state = "hidden"
    book.save(path)
    found, table = read(path)
    assert (found.sheet, found.other_sheets, table) == ("Data", ("More",), {2: ["1"]})
    assert read(path, Reads(sheet="more"))[0].sheet == "More"
    assert read(path, Reads(sheet="5"))[0].sheet == "More"
    assert (
        'it has no sheet "6"; it has "Sheet", "Hidden", "Blank", "Data", "More"'
        in refusal(path, Reads(sheet="6")).reason
    )


def test_a_cover_is_not_the_sheet_that_is_read(tmp_path: Path) -> None:
    cover = [["Customers of the north"], [], ["Printed", date(2026, 4, 3)]]
    path = workbook(tmp_path, Cover=cover, Data=[["id", "name"], ["1", "Ann"]], Codes=[["a", "b"], ["c", "d"]])
    found, table = read(path)
    assert (found.sheet, found.other_sheets, table) == ("Data", ("Cover", "Codes"), {2: ["1", "Ann"]})
    found = transcribe(path, tmp_path / "plain", Reads(), Limits(), {"a", "b"}.__contains__)
    assert (found.sheet, found.names) == ("Codes", ("a", "b"))
    assert read(path, Reads(sheet="codes"))[0].sheet == "Codes"


def test_errors_and_formulas_that_were_never_calculated_are_no_empty_cells(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "book.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["name", "sum", "ratio"])
        sheet.write_row(1, 0, ["x"])
        sheet.write_formula(1, 1, "=1+1", None, 2)
        sheet.write_formula(1, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(2, 1, "=1+1")
        sheet.write_formula(2, 2, '="a"&"b"', None, "ab")
    found, table = read(tmp_path / "book.xlsx")
    assert table == {2: ["x", Typed("2"), "#DIV/0!"], 3: ["", "#CALC!", "ab"]}
    assert found.uncalculated == 1
    found, table = read(workbook(tmp_path, ["a", "b"], ["x", "=1+1"], ["", "#REF!"], ["y", 1]))
    assert table == {2: ["x", "#CALC!"], 3: ["", "#REF!"], 4: ["y", Typed("1")]}


def test_long_numbers_keep_their_digits(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["a", "b"], ["x", 1])
    patched(path, "sheet1.xml", lambda part: part.replace(b"<v>1</v>", b"<v>12345678901234567890</v>"))
    assert read(path)[1] == {2: ["x", Typed("12345678901234567890")]}


def test_a_formula_may_give_a_text_of_no_characters(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["a", "b"], ["x", "=1+1"])
    patched(path, "sheet1.xml", lambda part: part.replace(b'<c r="B2"><f>', b'<c r="B2" t="str"><f>'))
    assert read(path)[1] == {2: ["x", ""]}


def test_zeros_that_people_see_in_front_of_a_number_are_there(tmp_path: Path) -> None:
    formats = {
        "00000": "00123",
        "000\\-00\\-0000": "000-00-0123",
        '"INV-"0000': "INV-0123",
        "[$-409]00000;@": "00123",
        "00": Typed("123"),
        "0": Typed("123"),
        "00.0": Typed("123"),
        '"$"00000': Typed("123"),
        '00000" kg"': Typed("123"),
        "#,##0": Typed("123"),
    }
    with xlsxwriter.Workbook(str(tmp_path / "book.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, list(map(chr, range(97, 97 + len(formats)))))
        for place, code in enumerate(formats):
            sheet.write(1, place, 123, book.add_format({"num_format": code}))
        sheet.write(2, 0, 1.5, book.add_format({"num_format": "00000"}))
        sheet.write(2, 1, -5, book.add_format({"num_format": "00000"}))
        sheet.write_formula(2, 2, "=100+23", book.add_format({"num_format": "00000"}), 123)
    table = read(tmp_path / "book.xlsx")[1]
    assert table[2] == list(formats.values())
    assert table[3][:3] == [Typed("1.5"), Typed("-5"), "00123"]

    old = xlwt.Workbook()
    page = old.add_sheet("Sheet")
    for place, code in enumerate(formats):
        page.write(0, place, chr(97 + place))
        page.write(1, place, 123, xlwt.easyxf(num_format_str=code))
    old.save(str(tmp_path / "book.xls"))
    assert read(tmp_path / "book.xls")[1] == {2: list(formats.values())}


def test_numbers_that_a_spreadsheet_has_rounded_are_no_identifiers_and_are_told(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["card", "sum"], [1234567890123450, 5], [4e15, 999999999999999])
    found, table = read(path)
    assert table == {
        2: ["1.23456789012345E+15", Typed("5")],
        3: ["4E+15", Typed("999999999999999")],
    }
    assert found.rounded == ("card",)


def test_numbers_of_writers_that_round_none_are_whole(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["id"], [1234567890123450], [1234567890123456])
    found, table = read(path)
    assert table == {2: [Typed("1234567890123450")], 3: [Typed("1234567890123456")]}
    assert found.rounded == ()


def test_a_number_below_zero_is_no_time_of_day(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["a", "b"], ["x", date(2026, 1, 1)], ["y", clock(0)])
    patched(path, "sheet1.xml", lambda part: part.replace(b"<v>46023</v>", b"<v>-5</v>"))
    assert read(path)[1] == {2: ["x", "#NUM!"], 3: ["y", Typed("00:00:00")]}


def test_tags_may_have_a_prefix(tmp_path: Path) -> None:
    def prefixed(part: bytes) -> bytes:
        return (
            part.replace(b"<", b"<x:").replace(b"<x:/", b"</x:").replace(b"xmlns=", b"xmlns:x=").replace(b"<x:?", b"<?")
        )

    path = patched(workbook(tmp_path, ["a", "b"], ["x", "=1+1"], ["y", 5]), "sheet1.xml", prefixed)
    assert read(path)[1] == {2: ["x", "#CALC!"], 3: ["y", Typed("5")]}


def giant(part: bytes) -> bytes:
    return part.replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')


def far(part: bytes) -> bytes:
    return part.replace(b"</sheetData>", b'<row r="9"><c r="AAAAAAA1"><v>1</v></c></row></sheetData>')


def entity(part: bytes) -> bytes:
    return part.replace(b"<worksheet", b'<!DOCTYPE w [<!ENTITY a "aaa">]><worksheet', 1)


def huge_text(part: bytes) -> bytes:
    return part.replace(b"<t>b</t>", b"<t>" + b"b" * 100_000_000 + b"</t>")


@pytest.mark.parametrize(
    ("change", "code"),
    [(giant, "too_large"), (far, "too_large"), (entity, "unreadable_file"), (huge_text, "too_large")],
)
def test_a_bomb_is_refused_at_once(tmp_path: Path, change: Callable[[bytes], bytes], code: str) -> None:
    path = patched(workbook(tmp_path, ["a", "b"], ["x", 1]), "sheet1.xml", change)
    began = time.monotonic()
    assert refusal(path).code == code
    assert time.monotonic() - began < 5


def test_a_workbook_may_not_have_more_memory_than_it_is_allowed(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "book.xlsx")) as book:
        sheet = book.add_worksheet()
        for row in range(5000):
            sheet.write_row(row, 0, [f"{row}-{column}" + "x" * 1000 for column in range(20)])
    refused = refusal(tmp_path / "book.xlsx", None, Limits(sheet_memory=80 * 2**20, ratio=10_000))
    assert (refused.code, "80 MiB of memory" in refused.reason) == ("too_large", True)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(sheet_cells=5), "6 cells; at most 5"),
        (Limits(columns=1), "2 columns; at most 1"),
        (Limits(rows=1), "over 1 rows"),
        (Limits(unpacked_bytes=1000), "unpacked"),
        (Limits(ratio=1, ratio_bytes=0), "1 times as large"),
    ],
)
def test_limits_hold(tmp_path: Path, limits: Limits, reason: str) -> None:
    refused = refusal(workbook(tmp_path, ["a", "b"], ["x", 1], ["y", 2]), None, limits)
    assert refused.code == "too_large"
    assert reason in refused.reason


def test_a_password_is_named(tmp_path: Path) -> None:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1000 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 3000
    (tmp_path / "book.xlsx").write_bytes(head)
    assert "password" in refusal(tmp_path / "book.xlsx").reason


@pytest.mark.parametrize("kept", [4, 100, 3000, -30])
def test_a_damaged_workbook_is_refused(tmp_path: Path, kept: int) -> None:
    path = workbook(tmp_path, ["a", "b"], ["x", 1])
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path).code == "unreadable_file"


def test_a_workbook_without_rows_is_empty(tmp_path: Path) -> None:
    assert refusal(workbook(tmp_path)).code == "empty_file"


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    found, table = read(workbook(tmp_path, ["id", "name"]))
    assert (found.names, found.rows, found.first_line, table) == (("id", "name"), 0, 2, {})


def test_an_xls_workbook_is_read_with_its_errors(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    book.add_sheet("Blank")
    sheet = book.add_sheet("Dätä")
    for place, name in enumerate(["id", "ratio", "sum", "day"]):
        sheet.write(0, place, name)
    sheet.write(1, 0, "00123")
    sheet.row(1).set_cell_error(1, 0x2A)
    sheet.write(1, 2, "")
    sheet.write(1, 3, date(2026, 4, 3), xlwt.easyxf(num_format_str="YYYY-MM-DD"))
    book.save(str(tmp_path / "book.xls"))
    sheet.write(2, 3, -0.25, xlwt.easyxf(num_format_str="YYYY-MM-DD"))
    book.save(str(tmp_path / "book.xls"))
    found, table = read(tmp_path / "book.xls")
    assert found.sheet == "Dätä"
    assert table == {2: ["00123", "#N/A", "", Typed("2026-04-03")], 3: ["", "", "", "#NUM!"]}


def test_texts_of_an_xls_workbook_are_unicode_whatever_its_code_page_says(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Лист")
    for place, each in enumerate(["имя", "Ünïcode", "plain"]):
        sheet.write(0, place, each)
    book.save(str(tmp_path / "book.xls"))
    whole = (tmp_path / "book.xls").read_bytes()
    assert whole.count(b"\x42\0\2\0\xb0\4") == 1
    (tmp_path / "book.xls").write_bytes(whole.replace(b"\x42\0\2\0\xb0\4", b"\x42\0\2\0\xe4\4"))
    found, _ = read(tmp_path / "book.xls")
    assert (found.sheet, found.names) == ("Лист", ("имя", "Ünïcode", "plain"))


def test_an_xls_workbook_with_a_password_is_told_so(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    book.add_sheet("Sheet").write(0, 0, "a")
    book.save(str(tmp_path / "book.xls"))
    whole = (tmp_path / "book.xls").read_bytes()
    codepage = b"\x42\0\2\0\xb0\4"
    (tmp_path / "book.xls").write_bytes(whole.replace(codepage, b"\x2f\0\2\0\0\0"))
    assert "protected by a password" in refusal(tmp_path / "book.xls").reason


def test_numbers_of_excel_5_are_what_their_format_says(tmp_path: Path) -> None:
    """The reader drops the first character of such a format; without its bracket, `[Red]0` has a day in it."""
    codes = [b"[Red]0", b"[h]:mm", b"dd/mm/yyyy", b'"USD "0', b"00000"]
    values = [5, 1.5, 46115, 7, 123]

    def old(kind: int, content: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    formats = b"".join(
        old(0x041E, struct.pack("<HB", 164 + place, len(code)) + code) for place, code in enumerate(codes)
    )
    styles = b"".join(old(0x00E0, struct.pack("<HH", 0, 164 + place) + bytes(12)) for place in range(len(codes)))
    start = old(0x0809, struct.pack("<HHHH", 0x0500, 5, 0, 0)) + old(0x0042, struct.pack("<H", 1252)) + formats + styles
    begin = len(start) + 4 + 6 + 2 + 4
    listing = start + old(0x0085, struct.pack("<IH", begin, 0) + b"\1S") + old(0x000A)
    names = b"".join(
        old(0x0204, struct.pack("<HHHH", 0, place, 0, 1) + bytes([97 + place])) for place in range(len(codes))
    )
    numbers = b"".join(old(0x0203, struct.pack("<HHHd", 1, place, place, value)) for place, value in enumerate(values))
    sheet = old(0x0809, struct.pack("<HHHH", 0x0500, 16, 0, 0)) + names + numbers + old(0x000A)
    assert len(listing) == begin
    XlsDoc().save(str(tmp_path / "book.xls"), listing + sheet)
    found, table = read(tmp_path / "book.xls")
    assert found.names == ("a", "b", "c", "d", "e")
    assert table == {2: [Typed("5"), Typed("PT36H"), Typed("2026-04-03"), Typed("7"), "00123"]}


def xlsb(path: Path, cells: list[list[bytes]], styles: bytes) -> Path:
    """A binary workbook of one sheet, written by hand: rows of records."""
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

    def relations(**targets: str) -> str:
        each = "".join(
            f'<Relationship Id="{key}" Type="{kinds}/{key}" Target="{part}"/>' for key, part in targets.items()
        )
        return f'<Relationships xmlns="{package}/relationships">{each}</Relationships>'

    rows = b"".join(record(0, struct.pack("<I", n) + bytes(13)) + b"".join(row) for n, row in enumerate(cells))
    extent = struct.pack("<4I", 0, len(cells) - 1, 0, len(cells[0]) - 1)
    sheet = record(129) + record(148, extent) + record(145) + rows + record(146) + record(130)
    listing = record(143) + record(156, struct.pack("<II", 0, 1) + wide("worksheet") + wide("Data")) + record(144)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types"/>')
        book.writestr("_rels/.rels", relations(officeDocument="xl/workbook.bin"))
        book.writestr("xl/_rels/workbook.bin.rels", relations(worksheet="worksheets/sheet1.bin", styles="styles.bin"))
        book.writestr("xl/workbook.bin", record(131) + listing + record(132))
        book.writestr("xl/worksheets/sheet1.bin", sheet)
        book.writestr("xl/styles.bin", styles)
    return path


def record(kind: int, content: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
    return head + bytes([len(content) & 0x7F | 0x80, len(content) >> 7]) + content


def wide(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode("utf-16-le")


def cell(kind: int, column: int, style: int, content: bytes) -> bytes:
    return record(kind, struct.pack("<II", column, style) + content)


def test_a_binary_workbook_is_read_with_its_errors(tmp_path: Path) -> None:
    codes = {164: "00000", 165: "yyyy-mm-dd"}
    styles = record(615, struct.pack("<I", len(codes)))
    styles += b"".join(record(44, struct.pack("<H", n) + wide(code)) for n, code in codes.items()) + record(616)
    styles += record(617, struct.pack("<I", 3))
    styles += b"".join(record(47, struct.pack("<HH", 0, n) + bytes(12)) for n in (0, *codes)) + record(618)
    path = xlsb(
        tmp_path / "book.xlsb",
        [
            [cell(6, place, 0, wide(name)) for place, name in enumerate(("id", "zip", "day", "ratio", "was"))],
            [
                cell(5, 0, 0, struct.pack("<d", 0.5)),
                cell(2, 1, 1, struct.pack("<I", 123 << 2 | 2)),
                cell(5, 2, 2, struct.pack("<d", 46115)),
                cell(3, 3, 0, b"\x07"),
                cell(5, 4, 2, struct.pack("<d", -0.5)),
            ],
        ],
        styles,
    )
    found, table = read(path)
    assert (found.sheet, found.names) == ("Data", ("id", "zip", "day", "ratio", "was"))
    assert table == {2: [Typed("0.5"), "00123", Typed("2026-04-03"), "#DIV/0!", "#NUM!"]}
    path.write_bytes(path.read_bytes()[:-300])
    assert refusal(path).code == "unreadable_file"


def test_an_ods_workbook_is_read_with_its_errors(tmp_path: Path) -> None:
    def cell(shown: str, **said: str) -> str:
        attributes = "".join(
            f' {name.replace("_", ":", 1).replace("_", "-")}="{value}"' for name, value in said.items()
        )
        return f"<table:table-cell{attributes}><text:p>{shown}</text:p></table:table-cell>"

    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    rows = [
        [cell(name, office_value_type="string") for name in ("a", "b", "c", "d")],
        [
            cell("#DIV/0!", table_formula="of:=1/0", office_value_type="float", office_value="0"),
            cell("", table_formula="of:=1+1"),
            cell("x", office_value_type="float", office_value="12345678901234567890"),
            cell("x", office_value_type="time", office_time_value="PT10H20M30S"),
        ],
        [
            cell("2", table_formula="of:=1+1", office_value_type="float", office_value="2"),
            cell("00123", office_value_type="string"),
            cell("x", office_value_type="date", office_date_value="2026-04-03"),
            cell("x", office_value_type="time", office_time_value="PT26H30M00S"),
        ],
        [
            cell("00123", office_value_type="float", office_value="123"),
            cell("1.23E+15", office_value_type="float", office_value="1230000000000000"),
        ],
    ]
    body = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in rows)
    with zipfile.ZipFile(tmp_path / "book.ods", "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("META-INF/manifest.xml", "<manifest/>")
        book.writestr(
            "content.xml",
            f"<office:document-content{spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="S">{body}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    found, table = read(tmp_path / "book.ods")
    assert (found.names, found.uncalculated) == (("a", "b", "c", "d"), 1)
    assert table == {
        2: ["#DIV/0!", "#CALC!", Typed("12345678901234567890"), Typed("10:20:30")],
        3: [Typed("2"), "00123", Typed("2026-04-03"), Typed("PT26H30M")],
        4: ["00123", Typed("1230000000000000"), "", ""],
    }


def test_the_process_that_reads_workbooks_loads_little() -> None:
    told = (
        "import sys, ingester.formats.sheets.sheet_child as _; "
        "print({'pandas', 'pyarrow', 'pydantic'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, check=True).stdout == b"set()\n"


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text().split()
    read(workbook(tmp_path, ["a", "b"], ["x", 1]))
    refusal(workbook(tmp_path))
    assert set(children.read_text().split()) <= set(before)
