"""Every row of every file is accounted for: an independent model of one entity against the whole engine."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ingester.formats.rewritten import unguarded as restored
from tests.examples import examples
from tests.integration.engine.harness import Engine
from tests.postgres import Postgres
from tests.report import MARKS, Report, assert_reconciles

BLANKS = " \t\r\n\f\v"
FIELDS = ["external_id", "label", "sku", "price", "stock", "category_external_id"]
#: Every example has a tenant of its own: the engine outlives it.
NUMBERS = itertools.count()

EVIL = st.sampled_from(
    ["=1+1", "'=1", "@x", "-5", "+1 555", "'", '"', 'a"b', "a,b", "line\nbreak", "ä", "日本", " ", "\t-"]
)
CELLS = {
    "external_id": st.sampled_from([*(f"k{number}" for number in range(8)), "=k", ""]),
    "label": st.sampled_from(["", "x", "y"]) | EVIL,
    "sku": st.sampled_from(["", "", "", "s1", "s2", "s3", "-1"]),
    "price": st.sampled_from(["", "1", "1.0", "01.00", "2.5", "-1", "1e5", "x", "123456789012345678.10"]),
    "stock": st.sampled_from(["", "1", "+1", "x", "9" * 19]),
    "category_external_id": st.sampled_from(["", "", "K", "nobody"]),
}


@dataclass(frozen=True)
class File:
    """Rows of cells as sent, and how they are written."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    quoting: int
    line_end: str
    blank_lines: bool
    padding: int

    def text(self) -> str:
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=self.quoting, lineterminator=self.line_end)  # type: ignore[arg-type]  # an int
        for row in [self.columns, *self.rows]:
            writer.writerow(row)
            if self.blank_lines:
                text.write(self.line_end)
        return text.getvalue()


@st.composite
def files(draw: st.DrawFn) -> File:
    optional = draw(st.sets(st.sampled_from(FIELDS[2:])))
    names = [name for name in FIELDS if name in optional or name in FIELDS[:2]]
    order = draw(st.permutations(names))
    # Padding makes a file of a few rows cross the borders of blocks.
    padding = draw(st.sampled_from([0, 0, 0, 20_000]))
    rows = draw(
        st.lists(st.tuples(*(CELLS[name] for name in order)), max_size=12).map(lambda rows: [list(r) for r in rows])
    )
    for copy in draw(st.lists(st.integers(0, 20), max_size=2)):
        if rows:
            rows.append(rows[copy % len(rows)])
    rows = [[*row, "p" * padding] for row in rows]
    for ragged in draw(st.lists(st.integers(0, 20), max_size=1)):
        if len(rows) > 1:
            # Not the last one: that would be a file that was cut off.
            rows[ragged % (len(rows) - 1)] = draw(st.sampled_from([["k1", "x"], ["k1", *"abcdefghij"]]))
    return File(
        columns=[*order, "padding"],
        rows=rows,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
        blank_lines=draw(st.booleans()),
        padding=padding,
    )


# --- the model: plain Python, row by row, from the rules as they are written in English ------------------------------


def typed(name: str, cell: str) -> tuple[object, bool]:
    """A cell's value and whether it is right."""
    if not cell.strip(BLANKS):
        return None, name not in ("external_id", "label")
    if name == "price":
        if not re.fullmatch(rf"[{BLANKS}]*[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)[{BLANKS}]*", cell):
            return None, False
        return Decimal(cell.strip(BLANKS)), Decimal(cell.strip(BLANKS)) >= 0
    if name == "stock":
        if not re.fullmatch(rf"[{BLANKS}]*[+-]?[0-9]+[{BLANKS}]*", cell) or abs(int(cell)) >= 2**63:
            return None, False
        return int(cell), True
    return cell, True


@dataclass(frozen=True)
class Expected:
    errors: set[int]
    duplicates: set[int]
    good: dict[int, dict[str, object]]


def expected(file: File) -> Expected:
    """What becomes of the rows of a file that is the tenant's first."""
    errors: set[int] = set()
    values: dict[int, dict[str, object]] = {}
    for number, cells in enumerate(file.rows, start=1):
        if len(cells) != len(file.columns):
            errors.add(number)
            continue
        found = {name: typed(name, cell) for name, cell in zip(file.columns, cells, strict=True) if name != "padding"}
        values[number] = {name: value for name, (value, _) in found.items()}
        if not all(right for _, right in found.values()):
            errors.add(number)
    by_key = defaultdict(list)
    for number, row in values.items():
        if number not in errors:
            by_key[row["external_id"]].append(number)
    duplicates: set[int] = set()
    for numbers in by_key.values():
        same = all(values[number] == values[numbers[0]] for number in numbers)
        duplicates.update(numbers[1:] if same else numbers if len(numbers) > 1 else [])
    by_sku = Counter(row.get("sku") for number, row in values.items() if number not in errors | duplicates)
    repeated = {
        number
        for number, row in values.items()
        if number not in errors | duplicates and row.get("sku") is not None and by_sku[row["sku"]] > 1
    }
    orphans = {number for number, row in values.items() if row.get("category_external_id") == "nobody"}
    errors |= repeated | orphans
    duplicates -= errors
    good = {number: row for number, row in values.items() if number not in errors | duplicates}
    return Expected(errors, duplicates, good)


# --- the engine ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    database = None
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        database = postgres.create_database()
    engine = Engine(tmp_path_factory.mktemp("engine") / "data", database=database)
    yield engine
    engine.close()
    if database is not None:
        postgres.drop_database(database)


def as_sent(rejects: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """What a customer's program reads when the neutral form is taken off the cells."""
    return [dict(zip(row, restored(pa.array(list(row.values()))).to_pylist(), strict=True)) for row in rejects]


def assert_accounted(report: Report, file: File, stored: list[dict[str, object]], model: Expected) -> None:
    assert_reconciles(report)
    stats = report.stats
    assert (stats["total_rows"], stats["error_rows"], stats["duplicate_rows"]) == (
        len(file.rows),
        len(model.errors),
        len(model.duplicates),
    )
    rejected = [int(row["_row"]) for row in report.rejects]
    assert rejected == sorted(model.errors | model.duplicates), "a row is rejected once, or not at all"
    assert [row["external_id"] for row in stored] == [row["external_id"] for row in model.good.values()]
    for row, wanted in zip(stored, model.good.values(), strict=True):
        assert row["label"] == wanted["label"]
        assert row["sku"] == wanted.get("sku")
        assert row["stock"] == (7 if wanted.get("stock") is None else wanted["stock"])
        price = row["price"]
        assert (None if price is None else Decimal(str(price))) == wanted.get("price")
        assert (row["category_id"] is None) == (wanted.get("category_external_id") is None)
    for row in as_sent(report.rejects):
        sent = file.rows[int(row["_row"]) - 1]
        if len(sent) == len(file.columns):
            assert [row[name] for name in file.columns] == list(sent)


@examples(20, suppress_health_check=list(HealthCheck))
@given(file=files())
def test_every_row_is_stored_or_rejected_and_nothing_else_happens(engine: Engine, file: File) -> None:
    tenant = engine.add_tenant(f"tenant{next(NUMBERS)}")
    engine.take("categories.csv", "external_id,label\nK,k\n", tenant=tenant)
    content, model = file.text(), expected(file)

    predicted = engine.take("items.csv", content, tenant=tenant, folder="validate")
    assert engine.rows("item", tenant=tenant) == []
    live = engine.take("items.csv", content, tenant=tenant)
    assert_accounted(live, file, engine.rows("item", tenant=tenant), model)
    assert (predicted.stats, predicted.status["counts"]) == (live.stats, live.status["counts"])
    assert [line["code"] for line in predicted.errors] == [line["code"] for line in live.errors]

    before = engine.rows("item", tenant=tenant)
    again = engine.take("items.csv", content, tenant=tenant)
    assert again.stats == {**live.stats, "created_count": 0, "skipped_count": live.stats["created_count"]}
    assert engine.rows("item", tenant=tenant) == before

    if live.rejects:
        repaired = [
            {
                name: {
                    "external_id": f"fixed-{row['_row']}",
                    "label": "fixed",
                    "padding": "",
                    "_errors": "",
                    "_row": "",
                }.get(name, "K" if name == "category_external_id" else value if name in MARKS else "")
                for name, value in row.items()
            }
            for row in live.rejects
        ]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(repaired[0]))
        writer.writeheader()
        writer.writerows(repaired)
        fixed = engine.take("items_fixed.csv", "\ufeff" + text.getvalue(), tenant=tenant)
        assert fixed.status["outcome"] == "accepted", fixed.brief()
        assert fixed.stats["created_count"] == len(live.rejects)
        assert len(engine.rows("item", tenant=tenant)) == len(before) + len(live.rejects)
    assert engine.leftovers() == []
