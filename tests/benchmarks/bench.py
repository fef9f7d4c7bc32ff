"""`make bench`: every contender several times, in turn, on this machine; medians, ratios and budgets, also as JSON."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import command, course, latency, race, table
from tests.benchmarks.claim import Claim, faster, lean
from tests.benchmarks.figure import Figures, Ref
from tests.benchmarks.measure import REPOSITORY
from tests.benchmarks.race import INGESTER, POSTGRES, RECIPE, SQLITE, VALIDATE, VALIDATE_BY_ERRORS
from tests.postgres import shared_server

_RACES = (VALIDATE, VALIDATE_BY_ERRORS, POSTGRES, SQLITE)
_WARM_UP_ROWS = 5_000

_VALIDATE = Ref("validate", INGESTER, "validate")


def _ours(database: race.Race, lap: str) -> Ref:
    return Ref(database.name, INGESTER, lap)


def _theirs(database: race.Race, lap: str) -> Ref:
    return Ref(database.name, RECIPE, lap)


def _dlt(database: race.Race, lap: str) -> Ref:
    return Ref(database.name, "dlt", lap)


CLAIMS: tuple[Claim, ...] = (
    faster(
        "validate, all reports written, against DuckDB counting",
        _VALIDATE,
        Ref("validate", "duckdb, only counting", "validate"),
        at_most=1.5,
        stretch=1.0,
    ),
    faster(
        "validate with 50 % bad rows, against 0 %",
        Ref(VALIDATE_BY_ERRORS.name, INGESTER, "50 % bad"),
        Ref(VALIDATE_BY_ERRORS.name, INGESTER, "0 % bad"),
        at_most=2.0,
    ),
    faster("first import into PostgreSQL", _ours(POSTGRES, "first"), _theirs(POSTGRES, "first"), 0.9, 0.6),
    faster("the same file again into PostgreSQL", _ours(POSTGRES, "again"), _theirs(POSTGRES, "again"), 0.3),
    faster("1 % of the rows changed, into PostgreSQL", _ours(POSTGRES, "changed"), _theirs(POSTGRES, "again"), 0.4),
    faster("first import into SQLite", _ours(SQLITE, "first"), _theirs(SQLITE, "first"), 1.2, 1.0),
    faster("the same file again into SQLite", _ours(SQLITE, "again"), _theirs(SQLITE, "again"), 1.2),
    faster("first import into PostgreSQL, against dlt", _ours(POSTGRES, "first"), _dlt(POSTGRES, "first"), 0.5),
    faster("the same file again into PostgreSQL, against dlt", _ours(POSTGRES, "again"), _dlt(POSTGRES, "again"), 0.5),
    faster("first import into SQLite, against dlt", _ours(SQLITE, "first"), _dlt(SQLITE, "first"), 0.5),
    *(lean(f"peak memory: {ref.lap}", ref, 400) for ref in command.REFS),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure ingester against other ways of doing the same.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="run only the races whose name contains this")
    parser.add_argument("--repeats", type=int, default=20, help="uploads of the latency race")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build" / "bench.json")
    given = parser.parse_args()
    tell = table.tell
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        postgres = shared_server(folder, owner=os.getpid(), as_shipped=True)
        (folder / "warm-up").mkdir()
        warm_up = course.write(folder / "warm-up", _WARM_UP_ROWS)
        files = course.write(folder, given.rows)
        for each in _RACES:
            if given.only in each.name:
                figures |= race.run(each, files, warm_up, given.rounds, postgres, tell)
        if given.only in command.RACE:
            figures |= command.run(files, given.rounds, postgres, tell)
        if given.only in latency.RACE:
            figures |= latency.run(given.repeats, tell)
        met = table.conclude(
            figures, CLAIMS, postgres, {"rows": given.rows, "rounds": given.rounds, "errors": course.BAD}, given.json
        )
    sys.exit(0 if met or given.only else 1)


if __name__ == "__main__":
    main()
