"""`make bench-reading`: what it costs to find out what a file is, and to read it, in the forms that customers send.

Reading alone: every block is parsed and thrown away. Each round goes through all forms in turn, so that what else the
machine does is shared; figures are medians, ratios are of one run.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars

from ingester.formats.opening import open_drop
from tests.benchmarks.generate import write_customers

#: What is measured against what: at most so many times as long.
LIMITS = {"semicolon, Windows-1252": ("plain", 1.5), "gzip": ("zcat, then read", 1.5)}
#: Finding out what a file is: so many seconds, or so much of reading it.
DETECTION_SECONDS, DETECTION_SHARE = 0.020, 0.03


def _read(path: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        reader = open_drop(path, path.name, Path(folder)).reader()
        for _ in reader.blocks():
            pass
        return reader.total_rows


def _zcat_then_read(path: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.csv"
        with plain.open("wb") as out:
            subprocess.run(["zcat", path], stdout=out, check=True)
        return _read(plain)


def _forms(folder: Path, rows: int) -> dict[str, tuple[Path, Callable[[Path], object]]]:
    plain = folder / "plain.csv"
    write_customers(plain, rows)
    text = plain.read_text(encoding="utf-8").replace("Street", "Straße")
    plain.write_text(text, encoding="utf-8")
    western = folder / "western.csv"
    # Every row has letters beyond ASCII, the dearest case.
    with western.open("w", encoding="cp1252", errors="replace", newline="") as out:
        csv.writer(out, delimiter=";").writerows(csv.reader(io.StringIO(text, newline="")))
    packed = folder / "packed.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 6))
    return {
        "plain": (plain, _read),
        "semicolon, Windows-1252": (western, _read),
        "gzip": (packed, _read),
        "zcat, then read": (packed, _zcat_then_read),
        "DuckDB, all text": (plain, _duckdb),
        "Polars, all text": (plain, _polars),
    }


def _duckdb(path: Path) -> object:
    return duckdb.sql(f"SELECT * FROM read_csv('{path}', all_varchar = true)").to_arrow_table()


def _polars(path: Path) -> object:
    return polars.read_csv(path, infer_schema=False)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Measure, print a table, and say what is over its limit."""
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forms = _forms(folder, asked.rows)
        figures: dict[str, list[float]] = {form: [] for form in forms}
        detection: list[float] = []
        for _ in range(asked.rounds):
            for form, (path, work) in forms.items():
                figures[form].append(_seconds(lambda work=work, path=path: work(path)))  # type: ignore[misc]
            plain = forms["plain"][0]
            detection.append(_seconds(lambda plain=plain: open_drop(plain, plain.name, folder)))  # type: ignore[misc]
        print(f"{asked.rows:,} rows, {forms['plain'][0].stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores")
        medians = {form: statistics.median(each) for form, each in figures.items()}
        for form, seconds in medians.items():
            against, limit = LIMITS.get(form, ("plain", None))
            ratio = seconds / medians[against]
            said = "" if limit is None else f"  at most {limit}: {'met' if ratio <= limit else 'MISSED'}"
            print(f"{form:<28} {seconds:6.3f} s  {ratio:5.2f} x {against}{said}")
        found = statistics.median(detection)
        met = found <= max(DETECTION_SECONDS, DETECTION_SHARE * medians["plain"])
        print(
            f"{'finding out what it is':<28} {found * 1000:6.1f} ms  at most 20 ms or 3 %: {'met' if met else 'MISSED'}"
        )


if __name__ == "__main__":
    main()
