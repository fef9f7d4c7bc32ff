"""The customer file of the benchmarks is what it says it is: everything measured or asserted on it rests on that."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from tests.benchmarks.generate import FAULTS, HEADER, LIFECYCLE, TERRITORIES, write_customers, write_territories

ROWS = 70_000  # more than one chunk


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in "abc")
    assert write_customers(first, 1000, errors=0.1) == write_customers(second, 1000, errors=0.1)
    write_customers(other, 1000, errors=0.1, seed=2)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_a_clean_file_has_only_good_cells_and_every_difficulty_it_promises(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    assert write_customers(path, ROWS).total() == 0
    write_territories(tmp_path / "territories.csv")
    territories = {row["external_id"] for row in read(tmp_path / "territories.csv")}
    assert len(territories) == TERRITORIES
    rows = read(path)
    assert len(rows) == len({row["external_id"] for row in rows}) == ROWS
    for row in rows:
        assert tuple(row) == HEADER
        assert row["lifecycle_status"] in LIFECYCLE
        assert row["territory_external_id"] in territories
        assert re.fullmatch(r"-?\d+\.\d\d", row["balance"])
    text = path.read_text(encoding="utf-8")
    assert not text.isascii()
    assert '""' in text
    assert any("," in row["notes"] for row in rows)


def test_a_bad_row_has_one_bad_cell_and_is_counted_by_its_code(tmp_path: Path) -> None:
    clean, spoilt = tmp_path / "clean.csv", tmp_path / "spoilt.csv"
    write_customers(clean, ROWS)
    bad = write_customers(spoilt, ROWS, errors=0.05)
    cells = {fault.field: {cell.strip('"') for cell in fault.cells} for fault in FAULTS}
    different = 0
    for good, row in zip(read(clean), read(spoilt), strict=True):
        fields = [field for field in HEADER if good[field] != row[field]]
        if fields:
            (field,) = fields
            assert row[field] in cells[field]
            different += 1
    assert different == bad.total()
    assert set(bad) == {fault.code for fault in FAULTS}
    assert 0.04 < different / ROWS < 0.06


def test_a_changed_file_differs_in_that_share_of_balances_only(tmp_path: Path) -> None:
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    write_customers(before, ROWS)
    write_customers(after, ROWS, changed=0.01)
    changed = [(old, new) for old, new in zip(read(before), read(after), strict=True) if old != new]
    assert all(old | {"balance": new["balance"]} == new for old, new in changed)
    assert 0.005 < len(changed) / ROWS < 0.015
