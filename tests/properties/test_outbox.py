"""Cells in reports: safe in a spreadsheet, and as they were sent when they come back."""

from __future__ import annotations

import csv
import io
import re

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from ingester.formats.rewritten import unguarded as restored
from ingester.outbox import name as outbox_name
from ingester.outbox.neutral import neutralised
from ingester.outbox.sheet import csv_lines
from tests.examples import examples

STARTS = "=+-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20"
PLAIN = re.compile(r"[+-][0-9]+([.,][0-9]+)*")
TEXT = st.text(max_size=20) | st.text(alphabet=f"'{STARTS}019.,a \"", max_size=8)
CELLS = st.lists(st.none() | TEXT, max_size=8)


def cells(values: list[str | None]) -> pa.StringArray:
    return pa.array(values, pa.string())


@examples(300)
@given(CELLS)
@example(["=1", "'=1", "''=1", "'", "''", "'x", "-5", "'-5", "+1.5,0", "-5-", "-\n5", "-5\n", "", None])
def test_what_was_neutralised_comes_back_as_it_was_sent(values: list[str | None]) -> None:
    assert restored(neutralised(cells(values))).to_pylist() == values


@examples(300)
@given(CELLS)
@example(["-5\n", "-5\n=1", "+1,=2", "-1.", "+-1"])
def test_no_neutralised_cell_starts_a_formula(values: list[str | None]) -> None:
    for cell in neutralised(cells(values)).to_pylist():
        if cell and cell[0] in STARTS:
            assert PLAIN.fullmatch(cell), cell


@given(CELLS)
def test_cells_that_start_no_formula_are_left_as_they_are(values: list[str | None]) -> None:
    safe = [value for value in values if not value or value[0] not in f"{STARTS}'"]
    assert neutralised(cells(safe)).to_pylist() == safe


@examples(200)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=6))
def test_a_csv_line_is_read_back_cell_for_cell(rows: list[tuple[str, str, str]]) -> None:
    text = csv_lines([cells([row[column] for row in rows]) for column in range(3)]).to_pybytes().decode()
    if "\x00" in text:
        return  # Python's own reader refuses it before 3.11 and passes it since
    assert [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)] == rows


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\x00"), min_size=1, max_size=300))
def test_names_fit_a_folder_and_keep_their_files_apart(name: str) -> None:
    made = [kind(name, "7f3a9c2e") for kind in (outbox_name.status, outbox_name.errors, outbox_name.rejects)]
    assert len(set(made)) == 3
    for each in made:
        assert len(each.encode()) <= 255
        assert len(each.encode()) <= 180 + len(".7f3a9c2e.rejects.csv.xlsx")
        assert not re.search("[\x00-\x1f\x7f/]", each), "no client could list it"
