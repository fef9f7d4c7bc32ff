"""One table in every format that customers send: the same records, and the same things said of the wrong row."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import lzma
import zipfile
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from ingester.domain.limits import Limits
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import RuleSet
from tests.integration.engine.harness import Engine

RULE = """
name: sale
title: Sales
primaryKey: external_id
fields:
  - {name: external_id, type: string, constraints: {required: true}}
  - {name: customer, type: string, aliases: [Client Name]}
  - {name: amount, type: number}
  - {name: pieces, type: integer}
  - {name: sold_on, type: date, format: "%d.%m.%Y"}
  - {name: paid_at, type: datetime}
  - {name: paid, type: boolean, trueValues: ["J"], falseValues: ["N"]}
missingValues: [""]
"""
NAMES = ["external_id", "customer", "amount", "pieces", "sold_on", "paid_at", "paid"]
#: Typed, as formats with types hold it; what people write of it depends on the rule.
ROWS: list[list[Any]] = [
    [
        "00123",
        'Müller, "Jo" & Söhne\nKöln',
        Decimal("1234.50"),
        3,
        date(2026, 4, 3),
        datetime.fromisoformat("2026-04-03T10:20:30"),
        True,
    ],
    ["A-2", "=1+1", Decimal("-0.05"), None, None, None, False],
    ["A-3", None, Decimal(1000), 1000000, date(2026, 12, 31), datetime.fromisoformat("2026-01-02"), None],
]
RECORDS = [
    ("00123", 'Müller, "Jo" & Söhne\nKöln', "1234.5", 3, "2026-04-03", "2026-04-03 10:20:30", 1),
    ("A-2", "=1+1", "-0.05", None, None, None, 0),
    ("A-3", None, "1000", 1000000, "2026-12-31", "2026-01-02 00:00:00", None),
]


def written(value: Any) -> str:
    """A cell as a customer of this rule writes it."""
    match value:
        case None:
            return ""
        case bool():
            return "J" if value else "N"
        case datetime():
            return value.isoformat()
        case date():
            return value.strftime("%d.%m.%Y")
    return str(value)


def delimited(delimiter: str = ",", codec: str = "utf-8", end: str = "\n") -> bytes:
    lines = [
        delimiter.join(f'"{written(cell).replace(chr(34), chr(34) * 2)}"' for cell in row) for row in [NAMES, *ROWS]
    ]
    return (end.join(lines) + end).encode(codec)


def xlsx() -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    sheet.append(["Sales of April"])
    sheet.append([])
    for row in [NAMES, *ROWS]:
        sheet.append(["'" + cell if isinstance(cell, str) and cell.startswith("=") else cell for cell in row])
    for cell in itertools.chain.from_iterable(sheet.iter_rows()):
        if isinstance(cell.value, str) and cell.value.startswith("'="):
            cell.value, cell.data_type = cell.value[1:], "s"  # openpyxl would make a formula of it
    book.save(out)
    return out.getvalue()


def plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def as_json(lines: bool = False) -> bytes:
    class Exact(float):
        def __repr__(self) -> str:
            return self.text  # type: ignore[attr-defined, no-any-return]

    def number(value: Any) -> Any:
        if not isinstance(value, Decimal):
            return plain(value)
        exact = Exact(value)
        exact.text = str(value)
        return exact

    records = [dict(zip(NAMES, map(number, row), strict=True)) for row in ROWS]
    # A date as text of JSON is a cell as people write it.
    for record, row in zip(records, ROWS, strict=True):
        record["sold_on"] = written(row[4])
    if lines:
        return b"".join(json.dumps(record).encode() + b"\n" for record in records)
    return json.dumps({"count": 3, "records": records}).encode()


def as_parquet() -> bytes:
    columns = list(zip(*ROWS, strict=True))
    types = [pa.string(), pa.string(), pa.decimal128(12, 2), pa.int32(), pa.date32(), pa.timestamp("us"), pa.bool_()]
    out = io.BytesIO()
    parquet.write_table(
        pa.table([pa.array(column, kind) for column, kind in zip(columns, types, strict=True)], names=NAMES), out
    )
    return out.getvalue()


def xml() -> bytes:
    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;")

    items = "".join(
        "<sale>"
        + "".join(f"<{name}>{escaped(written(cell))}</{name}>" for name, cell in zip(NAMES, row, strict=True))
        + "</sale>"
        for row in ROWS
    )
    return f'<?xml version="1.0" encoding="ISO-8859-1"?><sales>{items}</sales>'.encode("latin-1")


def fixed() -> bytes:
    return b"".join(
        "".join(written(cell).replace("\n", " ").ljust(30) for cell in row).encode() + b"\r\n" for row in ROWS
    )


def zipped(data: bytes, name: str = "sales.csv") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder = tmp_path_factory.mktemp("formats") / "shop"
    folder.mkdir()
    (folder / "sale.yaml").write_text(RULE)
    return RuleSet({"shop": load_folder(folder)})


@pytest.mark.parametrize(
    ("name", "data", "reads"),
    [
        ("sales.csv", delimited(), None),
        ("sales.txt", delimited(";", "cp1252", "\r\n"), None),
        ("sales.tsv", delimited("\t", "utf-16"), None),
        ("sales_2.csv", delimited("||", "utf-8-sig", "\r"), None),
        ("sales.csv.gz", gzip.compress(delimited()), None),
        ("sales.csv.bz2", bz2.compress(delimited()), None),
        ("sales.csv.xz", lzma.compress(delimited()), None),
        ("sales.csv.zst", pa.compress(delimited(), "zstd", asbytes=True), None),
        ("sales.zip", zipped(delimited(), "x.csv"), None),
        ("sales.csv.zip.gz", gzip.compress(zipped(delimited())), None),
        ("sales.xlsx", xlsx(), None),
        ("sales.json", as_json(), None),
        ("sales.jsonl", as_json(lines=True), None),
        ("sales.parquet", as_parquet(), None),
        ("sales.xml", xml(), None),
        ("sales.dat", fixed(), {"widths": [30] * 7, "columns": NAMES, "header": 0, "encoding": "utf-8"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_format_brings_the_same_records(engine: Engine, name: str, data: bytes, reads: Any) -> None:
    found = engine.take(name, data, reads=reads)
    assert (found.status["outcome"], found.status["errors"]) == ("accepted", [])
    stored = sorted(engine.rows("sale"), key=lambda row: str(row["external_id"]))
    records = [tuple(row[name] for name in NAMES) for row in stored]
    expected = [
        tuple(cell.replace("\n", " ") if reads and isinstance(cell, str) else cell for cell in row) for row in RECORDS
    ]
    assert [tuple(map(_shown, row)) for row in records] == [tuple(map(_shown, row)) for row in expected]


def _shown(value: Any) -> Any:
    text = str(value).removesuffix("+00:00").removesuffix(".000000")
    return None if value is None else text


def test_what_is_over_a_limit_is_quarantined_with_the_reason(engine: Engine) -> None:
    engine.limits = Limits(columns=5)
    found = engine.take("sales.json", as_json())
    assert (found.status["status"], found.status["reason"]) == ("failed", "too_large")


def test_a_row_that_repeats_the_header_is_refused(engine: Engine) -> None:
    found = engine.take("sales.csv", "external_id,customer\nA,x\nexternal_id,customer\nB,y\n")
    assert [(line["row"], line["code"]) for line in found.errors] == [("2", "repeated_header")]
    assert found.stats["created_count"] == 2


def test_a_point_in_a_column_of_decimal_commas_groups(engine: Engine) -> None:
    found = engine.take("sales.csv", "external_id;amount\nA;12,50\nB;1.500\nC;7,5\n")
    assert found.status["columns"][1]["style"] == {"decimal": ","}
    assert sorted(str(row["amount"]) for row in engine.rows("sale")) == ["12.5", "1500", "7.5"]
