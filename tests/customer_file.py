"""Small customer files for tests to spoil: rows as dictionaries, written by Python's own csv module."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks import generate

Row = dict[str, str]


def clean_rows(folder: Path, count: int) -> list[Row]:
    """`count` valid customers, all different."""
    path = folder / "clean.csv"
    generate.write_customers(path, count)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def as_csv(rows: Iterable[Row]) -> str:
    """The rows as one CSV text."""
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: Path, rows: Iterable[Row]) -> Path:
    """Write the rows to a file and return it."""
    path.write_text(as_csv(rows), encoding="utf-8", newline="")
    return path


def territories(folder: Path) -> Path:
    """A file of the territories that the customers belong to."""
    path = folder / "territories.csv"
    generate.write_territories(path)
    return path
