"""Customer files to measure with: any size, any share of bad rows, the same bytes for the same numbers.

Ten columns, names beyond ASCII, quoted commas and quotes, 500 territories. A bad row has exactly one bad cell, so the
truth about a file is one count per notice code. Nothing here knows how the product reads, checks or stores.

    python -m tests.benchmarks.generate 1000000 customers.csv --errors 0.01
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

HEADER = (
    "external_id",
    "first_name",
    "last_name",
    "email",
    "phone",
    "lifecycle_status",
    "created_on",
    "balance",
    "territory_external_id",
    "notes",
)
TERRITORIES = 500
LIFECYCLE = ("lead", "prospect", "customer", "former_customer", "inactive")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Cells are taken from pools that are written as they stand in a CSV file, quotes included.
_FIRST_NAMES = _words(
    "Zoë José Łukasz Anaïs Søren Nguyễn Chloé Jürgen Paweł İpek María Günter Ödön Şule 美咲 Дмитрий Ελένη "
    "Anna Ben Carla David Emma Frank Grace Hannah Ivan Julia Kevin Laura Mark Nina Oliver Paula Quentin Rosa Sam Tina"
)
_LAST_NAMES = (
    *_words("Müller Žižek Ó'Brien García Åberg Dvořák Sørensen Çelik Nuñez Łuczak Weiß 佐藤 Иванов Παππά"),
    *_words("Adams Baker Clark Davis Evans Foster Green Hill Irving Jones King Lewis Moore Nash Owens Price Reed"),
    '"Smith, Jr."',
    '"Sander ""Sandy"" Lee"',
    "van der Berg",
)
_PHRASES = (
    "Call before noon",
    "Gate code 4711",
    '"Front yard, back yard"',
    '"Asked for ""premium"" turf"',
    "Prefers e-mail to phone",
    '"Moved from Zürich, keep old address"',
    "Wants the café sample again",
    '"Two dogs, one ""friendly"""',
    "Renews every spring",
    "",
)
_NOTES = _PHRASES + ("",) * 6


@dataclass(frozen=True)
class Fault:
    """One way a cell can be wrong, and the notice it must cause."""

    field: str
    code: str
    cells: tuple[str, ...]


FAULTS = (
    Fault("email", "invalid_email", ("not-an-email", "nobody@", "@example.com", "two words@example.com")),
    Fault("lifecycle_status", "invalid_enum_value", ("deleted", "unknown")),
    Fault("created_on", "invalid_type", ("2020-02-31", "31/12/2020", "2020-1-5", "yesterday")),
    Fault("balance", "invalid_type", ('"12,50"', "twelve", "1.2.3")),
    Fault("external_id", "required", ("",)),
    Fault("territory_external_id", "reference_not_found", ("T999",)),
)

_CHUNK = 1 << 16


def write_customers(path: Path, rows: int, *, errors: float = 0.0, changed: float = 0.0, seed: int = 1) -> Counter[str]:
    """Write a customer file of `rows` rows and return its bad cells counted by notice code.

    `errors` and `changed` are shares from 0 to 1 and independent of each other: of two files that differ in `changed`
    only, that share of rows has another balance in the one than in the other, and every other byte is equal.
    """
    bad: Counter[str] = Counter()
    with path.open("wb") as file:
        file.write(",".join(HEADER).encode() + b"\n")
        for first in range(0, rows, _CHUNK):
            columns = _chunk(first, min(_CHUNK, rows - first), seed, changed)
            _plant(columns, errors, np.random.default_rng([seed, first, 2]), bad)
            file.write(_lines(columns))
    return bad


def write_territories(path: Path) -> None:
    """Write the territories that every customer row, but for the orphans, belongs to."""
    regions = ("North", "East", "South", "West")
    lines = [f"T{number:03},Territory {number},{regions[number % 4]}\n" for number in range(TERRITORIES)]
    path.write_text("external_id,name,region\n" + "".join(lines), encoding="utf-8")


def _chunk(first: int, rows: int, seed: int, changed: float) -> dict[str, pa.Array]:
    """Clean rows `first` to `first + rows`, as columns of CSV cells."""
    rng = np.random.default_rng([seed, first, 0])
    other = np.random.default_rng([seed, first, 1])
    number = _digits(np.arange(first, first + rows), 7)
    dollars = np.where(other.random(rows) < changed, other.integers(5_000, 9_999, rows), rng.integers(1, 4_999, rows))
    sign = _pick(rng, ("", "", "", "-"), rows)
    days = rng.integers(14_610, 20_454, rows).astype("int32")  # 2010-01-01 to 2025-12-31
    columns = {
        "external_id": _join("C", number),
        "first_name": _pick(rng, _FIRST_NAMES, rows),
        "last_name": _pick(rng, _LAST_NAMES, rows),
        "email": _join(_pick(rng, ("a.", "info", "ben-", "zoe+"), rows), number, "@example.com"),
        "phone": _join("+1555", _digits(rng.integers(0, 10_000_000, rows), 7)),
        "lifecycle_status": _pick(rng, LIFECYCLE, rows),
        "created_on": pa.array(days, pa.date32()).cast(pa.string()),
        "balance": _join(sign, pa.array(dollars).cast(pa.string()), ".", _digits(rng.integers(0, 100, rows), 2)),
        "territory_external_id": _join("T", _digits(rng.integers(0, TERRITORIES, rows), 3)),
        "notes": _pick(rng, _NOTES, rows),
    }
    assert tuple(columns) == HEADER
    return columns


def _plant(columns: dict[str, pa.Array], errors: float, rng: np.random.Generator, bad: Counter[str]) -> None:
    rows = len(columns["external_id"])
    fault_of = np.where(rng.random(rows) < errors, rng.integers(0, len(FAULTS), rows), -1)
    for index, fault in enumerate(FAULTS):
        mask = fault_of == index
        columns[fault.field] = pc.if_else(pa.array(mask), _pick(rng, fault.cells, rows), columns[fault.field])
        if count := int(mask.sum()):
            bad[fault.code] += count


def _lines(columns: dict[str, pa.Array]) -> memoryview:
    """The rows as CSV text: the value buffer of one string column is the text itself, nothing is copied per row."""
    lines = _join(*_between(columns.values(), ","), "\n")
    offsets = np.frombuffer(lines.buffers()[1], dtype="int64")
    return memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[len(lines)])]


def _between(cells: Iterable[pa.Array], separator: str) -> Iterator[pa.Array | str]:
    for index, cell in enumerate(cells):
        if index:
            yield separator
        yield cell


def _join(*parts: pa.Array | str) -> pa.Array:
    large = [
        pa.scalar(part, pa.large_string()) if isinstance(part, str) else part.cast(pa.large_string()) for part in parts
    ]
    return pc.binary_join_element_wise(*large, pa.scalar("", pa.large_string()))


def _digits(numbers: NDArray[np.int64], width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def _pick(rng: np.random.Generator, pool: tuple[str, ...] | list[str], rows: int) -> pa.Array:
    return pa.array(pool, pa.large_string()).take(pa.array(rng.integers(0, len(pool), rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a customer file, and territories.csv beside it.")
    parser.add_argument("rows", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--errors", type=float, default=0.0, help="share of rows with one bad cell, 0 to 1")
    parser.add_argument("--changed", type=float, default=0.0, help="share of rows with another balance, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    bad = write_customers(given.out, given.rows, errors=given.errors, changed=given.changed, seed=given.seed)
    write_territories(given.out.with_name("territories.csv"))
    print(json.dumps({"rows": given.rows, "bad_rows": bad.total(), "codes": dict(sorted(bad.items()))}))


if __name__ == "__main__":
    main()
