"""`make bench-soak`: the same work from 10,000 to 10 million rows: speed must stay flat, and memory bounded.

Takes about half an hour and 15 GB of disk, which it gives back.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import command, course, race, table
from tests.benchmarks.claim import Claim, bounded, flat, lean
from tests.benchmarks.figure import Figure, Figures, Ref
from tests.benchmarks.measure import REPOSITORY
from tests.benchmarks.race import INGESTER, Contender, Database, Race
from tests.postgres import Postgres, shared_server

_VALIDATE = Race("validate", (Contender(INGESTER, "ours:validate"),))
_IMPORTS = tuple(
    Race(database.value, (Contender(INGESTER, "ours:import_once"),), database)
    for database in (Database.SQLITE, Database.POSTGRES)
)
_WARM_UP_ROWS = 5_000
_SMALLEST_IMPORT = 100_000
#: Of disk, for each row of the largest size: the file, a database and its log, spilled rows and reports.
_BYTES_PER_ROW = 1_500


def sizes(largest: int) -> list[int]:
    """Powers of ten from 10,000 up to `largest`."""
    found = [10_000]
    while found[-1] * 10 <= largest:
        found.append(found[-1] * 10)
    return found


def rounds_at(rows: int, rounds: int) -> int:
    """What takes milliseconds is measured more often: its noise is larger, and its price smaller."""
    return max(rounds, min(15, 1_000_000 // rows))


def at(rows: int, ref: Ref) -> Ref:
    """The same figure at one size."""
    return ref._replace(lap=f"{ref.lap}, {rows:,} rows")


def claims(largest: int) -> list[Claim]:
    """Flat speed over all sizes, and peak memory at the largest against a tenth of it."""
    imported = [size for size in sizes(largest) if size >= _SMALLEST_IMPORT]
    validate = Ref(_VALIDATE.name, INGESTER, "validate")
    tenth = largest // 10
    return [
        flat("validate: slowest size behind the fastest", [at(size, validate) for size in sizes(largest)], 0.25),
        *(
            flat(
                f"{each.name}: slowest size behind the fastest",
                [at(size, Ref(each.name, INGESTER, "first")) for size in imported],
                0.35,
            )
            for each in _IMPORTS
        ),
        *(lean(f"peak memory, {largest:,} rows: {ref.lap}", at(largest, ref), 400) for ref in command.REFS),
        *(
            bounded(f"peak memory against {tenth:,} rows: {ref.lap}", at(tenth, ref), at(largest, ref), 0.15)
            for ref in command.REFS
        ),
    ]


def measure(
    rows: int, rounds: int, folder: Path, largest: int, postgres: Postgres, tell: Callable[[str], None]
) -> Figures:
    """Everything at one size."""
    (folder / "warm-up").mkdir()
    warm_up = course.write(folder / "warm-up", _WARM_UP_ROWS, ("customers",))
    files = course.write(folder, rows, ("customers",))
    figures: Figures = {}
    for each in (_VALIDATE, *_IMPORTS):
        if each is _VALIDATE or rows >= _SMALLEST_IMPORT:
            figures |= race.run(each, files, warm_up, rounds_at(rows, rounds), postgres, tell)
    if rows * 10 >= largest:
        # Peaks of one size differ by a tenth, so one run of each would say nothing.
        figures |= command.run(files, rounds, postgres, tell)
    placed = [Figure(at(rows, figure.ref), figure.rows, figure.seconds, figure.peaks) for figure in figures.values()]
    return {figure.ref: figure for figure in placed}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure ingester from 10,000 to 10 million rows.")
    parser.add_argument("--rows", type=int, default=10_000_000, help="the largest size, a power of ten")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build" / "bench-soak.json")
    given = parser.parse_args()
    tell = table.tell
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        needed, free = given.rows * _BYTES_PER_ROW, shutil.disk_usage(scratch).free
        if free < needed:
            sys.exit(f"{scratch} has {free / 1e9:.0f} GB free; {given.rows:,} rows need {needed / 1e9:.0f} GB.")
        postgres = shared_server(Path(scratch), owner=os.getpid(), as_shipped=True)
        for size in sizes(given.rows):
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                figures |= measure(size, given.rounds, Path(folder), given.rows, postgres, tell)
        course_ = {"rows": given.rows, "rounds": given.rounds, "errors": course.BAD}
        met = table.conclude(figures, claims(given.rows), postgres, course_, given.json)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
