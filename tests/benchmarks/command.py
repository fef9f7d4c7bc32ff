"""Ingester as people run it: a process of its own, start-up and hashing included, and the memory of its whole tree."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.course import Course
from tests.benchmarks.figure import Figure, Figures, Ref
from tests.benchmarks.measure import Measurement
from tests.postgres import Postgres

RACE = "as a command"
REFS = tuple(Ref(RACE, "ingester", lap) for lap in ("validate", "SQLite", "PostgreSQL"))
_INGESTER = Path(sys.executable).with_name("ingester")
#: Exit codes: all rows accepted, some rows refused.
_DONE = (0, 2)


def run(course: Course, rounds: int, postgres: Postgres, tell: Callable[[str], None]) -> Figures:
    """Validate, and import into empty databases. What fails is told and drops out."""
    runs: dict[Ref, list[Measurement]] = {ref: [] for ref in REFS}
    for number in range(rounds):
        for ref, measured in [*runs.items()]:
            tell(f"{RACE}: {ref.lap}, round {number + 1} of {rounds}")
            with tempfile.TemporaryDirectory(dir=course.folder) as folder:
                url = postgres.create_database() if ref.lap == "PostgreSQL" else f"sqlite:///{folder}/ours.db"
                try:
                    measured.append(_once(course, ref.lap, Path(folder), url))
                except RuntimeError as error:
                    tell(f"{ref.lap} failed: {str(error)[-2000:]}")
                    del runs[ref]
                finally:
                    if ref.lap == "PostgreSQL":
                        postgres.drop_database(url)
    rows = course.files["customers"].rows
    return {
        ref: Figure(ref, rows, [each.seconds for each in measured], [each.peak for each in measured])
        for ref, measured in runs.items()
        if measured
    }


def _once(course: Course, lap: str, folder: Path, url: str) -> Measurement:
    reports = ("--out", folder / "out", "--json")
    file = course.files["customers"]
    if lap == "validate":
        return _run(["validate", file.path, "--entity", "customer", *reports])
    into = ("--database-url", url, "--data-dir", folder / "data", *reports)
    _run(["import", course.territories, "--entity", "territory", *into])
    return _run(["import", file.path, "--entity", "customer", *into])


def _run(arguments: list[str | Path]) -> Measurement:
    return measure.run([_INGESTER, *arguments], cwd=measure.REPOSITORY, accept=_DONE)
