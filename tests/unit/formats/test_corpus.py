"""Files of every malformed kind in `tests/corpus`, each with the table that a careful person reads in it, as JSON.

Rows that have other than the header's number of cells are there with the cells they have.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.opened import opened, rows

CORPUS = Path(__file__).parents[2] / "corpus"


@pytest.mark.parametrize("name", sorted(path.stem for path in CORPUS.glob("*.csv")))
def test_the_table_is_the_one_that_a_careful_person_reads(tmp_path: Path, name: str) -> None:
    found = opened(tmp_path, (CORPUS / f"{name}.csv").read_bytes())
    expected = json.loads((CORPUS / f"{name}.json").read_text())
    header = list(found.layout.names) if found.layout.header_line else None
    assert header == expected["header"]
    assert rows(found)[header is not None :] == expected["rows"]


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_three_thousand_columns_are_a_table(tmp_path: Path, delimiter: str) -> None:
    table = [[f"c{at}" for at in range(3000)], *([str(row * at) for at in range(3000)] for row in range(1, 9))]
    assert rows(opened(tmp_path, "\n".join(map(delimiter.join, table)))) == table


def test_a_very_long_line_is_a_row_like_others(tmp_path: Path) -> None:
    long = "x, y\n" * 60_000
    found = opened(tmp_path, f'id,text,n\n1,"{long}",1\n2,b,2\n')
    assert rows(found) == [["id", "text", "n"], ["1", long, "1"], ["2", "b", "2"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "||"])
def test_telling_what_a_file_is_takes_no_time(tmp_path: Path, delimiter: str) -> None:
    line = delimiter.join(["17", '"Müller, Hans"', "2026-01-01", "12.50", "some text of a few words", "x"]) + "\n"
    data = delimiter.join(["id", "name", "day", "price", "note", "flag"]) + "\n" + line * 2000
    opened(tmp_path, data)
    seconds = []
    for _ in range(5):
        before = time.process_time()
        opened(tmp_path, data)
        seconds.append(time.process_time() - before)
    assert min(seconds) < 0.06  # a third of that by itself; machines that run tests are busy
