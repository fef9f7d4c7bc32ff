"""Any table that a writer of another house writes comes back as it was; any damage to it is told, or harmless."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as arrow_parquet

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Format, Reads
from ingester.formats.records import json_rows, parquet, xml_rows
from ingester.formats.sheets import sheet
from tests.plain_form import Typed, rows
from tests.scratch import scratch_root

NAMES = ["id", "text", "whole", "fraction", "flag", "day", "moment"]

#: What XML may hold, and a cell of a workbook.
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=8
)
moments = st.datetimes(datetime.fromisoformat("1901-01-01"), datetime.fromisoformat("2199-12-31")).map(
    lambda moment: moment.replace(microsecond=0)
)
records = st.tuples(
    st.integers(0, 10**9).map(lambda number: f"R{number}"),
    texts.filter(lambda text: text == text.strip() and "_x" not in text),
    st.integers(-(10**14), 10**14),
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    st.booleans(),
    st.dates(date(1901, 1, 1), date(2199, 12, 31)),
    moments,
)
tables = st.lists(records, min_size=1, max_size=5)
Table = list[tuple[Any, ...]]


@cache
def folder() -> Path:
    """For all examples of this process."""
    return Path(mkdtemp(dir=scratch_root()))


def cell(value: Any) -> str | Typed:
    """What a value is in plain form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return Typed(str(value).lower())
    if isinstance(value, datetime):
        return Typed(value.isoformat() if value.time() != datetime.min.time() else value.date().isoformat())
    if isinstance(value, float):
        return Typed(str(int(value)) if value.is_integer() else repr(value))
    return Typed(value.isoformat() if isinstance(value, date) else str(value))


def by_openpyxl(path: Path, table: Table) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(NAMES)
    for place, row in enumerate(table, 2):
        for column, value in enumerate(row, 1):
            made = book.active.cell(place, column, value)
            if isinstance(value, str):
                # Or what begins with an equals sign is a formula.
                made.data_type = "s"
    book.save(path)


def by_xlsxwriter(path: Path, table: Table) -> None:
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        page = book.add_worksheet()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        page.write_row(0, 0, NAMES)
        for place, row in enumerate(table, 1):
            page.write_string(place, 0, row[0])
            page.write_string(place, 1, row[1])
            page.write_row(place, 2, row[2:5])
            page.write_datetime(place, 5, row[5], day)
            page.write_datetime(place, 6, row[6], moment)


def by_pandas(path: Path, table: Table) -> None:
    frame = pd.DataFrame(table, columns=NAMES)
    engine = {"options": {"strings_to_formulas": False, "strings_to_urls": False}}
    with pd.ExcelWriter(path, engine="xlsxwriter", engine_kwargs=engine) as writer:
        frame.to_excel(writer, index=False)


@pytest.mark.parametrize("write", [by_openpyxl, by_xlsxwriter, by_pandas])
@settings(max_examples=25)
@given(tables)
def test_a_workbook_comes_back(write: Callable[[Path, Table], None], table: Table) -> None:
    source, target = folder() / "book.xlsx", folder() / "book.plain"
    write(source, table)
    found = sheet.transcribe(source, target, Reads(header=1), Limits())
    assert found.names == tuple(NAMES)
    assert rows(target) == [[cell(value) for value in row] for row in table]


@given(tables, st.sampled_from([None, 1]), st.booleans())
def test_json_comes_back(table: Table, indent: int | None, ascii_only: bool) -> None:
    source, target = folder() / "rows.json", folder() / "json.plain"
    plain = [dict(zip(NAMES, row[:5], strict=False)) for row in table]
    source.write_text(json.dumps(plain, indent=indent, ensure_ascii=ascii_only))
    expected = [
        [cell(value) if not isinstance(value, float) else Typed(repr(value)) for value in row[:5]] for row in table
    ]
    json_rows.transcribe(source, target, Reads(), Limits())
    assert rows(target) == expected
    source.write_text("\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in plain))
    json_rows.transcribe(source, target, Reads(format=Format.JSONL), Limits())
    assert rows(target) == expected
    pl.DataFrame(plain).write_ndjson(source)
    json_rows.transcribe(source, target, Reads(format=Format.JSONL), Limits())
    assert [row[:3] for row in rows(target)] == [row[:3] for row in expected]


@settings(max_examples=15)
@given(tables)
def test_parquet_comes_back(table: Table) -> None:
    source, target = folder() / "rows.parquet", folder() / "parquet.plain"
    expected = [[cell(value) for value in row] for row in table]
    frame = pd.DataFrame(table, columns=NAMES)
    frame.to_parquet(source)
    parquet.transcribe(source, target, Reads(), Limits())
    assert rows(target) == expected
    pl.DataFrame(table, schema=NAMES, orient="row").write_parquet(source)
    parquet.transcribe(source, target, Reads(), Limits())
    assert rows(target) == expected


@given(tables)
def test_xml_comes_back(table: Table) -> None:
    source, target = folder() / "rows.xml", folder() / "xml.plain"
    root = ElementTree.Element("rows")
    for row in table:
        item = ElementTree.SubElement(root, "row", {"id": row[0]})
        ElementTree.SubElement(item, "text").text = row[1]
        ElementTree.SubElement(item, "whole").text = str(row[2])
    ElementTree.ElementTree(root).write(source, "utf-8")
    xml_rows.transcribe(source, target, Reads(path="rows/row"), Limits())
    assert rows(target) == [[row[0], row[1], str(row[2])] for row in table]


# --- damage ----------------------------------------------------------------------------------------------------------

SAMPLE: Table = [
    (
        f"R{number}",
        f"text {number}",
        number,
        number / 4,
        number % 2 == 0,
        date(2026, 1, 1),
        datetime.fromisoformat("2026-01-01T10:20:30"),
    )
    for number in range(20)
]


def sample_json(path: Path) -> None:
    path.write_text(json.dumps([{"id": row[0], "n": row[2], "at": {"x": row[3], "l": [None, True]}} for row in SAMPLE]))


def sample_xml(path: Path) -> None:
    path.write_text(
        "<c>" + "".join(f'<i id="{row[0]}"><n>{row[2]}</n><t><![CDATA[x]]>&amp;</t></i>' for row in SAMPLE) + "</c>"
    )


def sample_parquet(path: Path) -> None:
    arrow_parquet.write_table(pa.table({"a": [row[0] for row in SAMPLE], "l": [[row[2]] for row in SAMPLE]}), path)


@pytest.mark.parametrize(
    ("write", "read", "examples"),
    [
        (sample_json, json_rows.transcribe, 400),
        (sample_xml, xml_rows.transcribe, 400),
        (sample_parquet, parquet.transcribe, 25),
        (lambda path: by_openpyxl(path, SAMPLE), sheet.transcribe, 60),
    ],
    ids=["json", "xml", "parquet", "sheet"],
)
def test_damage_is_refused_or_harmless(
    tmp_path: Path, write: Callable[[Path], None], read: Callable[..., Any], examples: int
) -> None:
    source, target = tmp_path / "source", tmp_path / "plain"
    write(source)
    whole = source.read_bytes()
    chance = random.Random(5)
    for _ in range(examples):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            change = chance.randrange(4)
            if change == 0:
                data[at] = chance.randrange(256)
            elif change == 1:
                del data[at : at + chance.randint(1, 20)]
            elif change == 2:
                data[at:at] = chance.choice([b"\0", b"\xff", b'"', b"[", b"{", b"<", b"&", b"1", data[at : at + 30]])
            else:
                del data[max(at, 1) :]
        source.write_bytes(data)
        try:
            read(source, target, Reads(), Limits())
        except UnreadableFile:
            continue
        rows(target)
