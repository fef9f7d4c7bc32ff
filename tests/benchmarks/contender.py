"""Who is measured: one small function for each contender, in races that each have one to compare with.

To add a contender, write a function that returns its command, and name it in a race.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

INGESTER = Path(sys.executable).with_name("ingester")
PYTHON = Path(sys.executable)

Command = list[str | Path]


@dataclass(frozen=True)
class Course:
    """What every contender is given: the file, its truth, and a folder that lasts for one round of one race."""

    file: Path
    territories: Path
    rows: int
    #: Rows with a wrong cell, and those of them whose only fault is a reference, which needs a database to see.
    bad: int
    orphans: int
    folder: Path


@dataclass(frozen=True)
class Contender:
    """A command to time, what must be done before the clock starts, and what its output must say."""

    name: str
    command: Callable[[Course], Command]
    prepare: Callable[[Course], list[Command]] = lambda _: []
    #: The truth that its printed JSON has to agree with, by dotted path: nobody is fast by being wrong.
    truth: Callable[[Course], dict[str, int]] = lambda _: {}
    #: Exit codes that are no failure.
    accept: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Race:
    """Contenders that do comparable work. The first one is ours; ratios are against the last."""

    name: str
    contenders: tuple[Contender, ...]
    #: What the ratio of ours may be at most.
    budget: float | None = None


# --- validate ---------------------------------------------------------------------------------------------------------


def _validate(course: Course) -> Command:
    return [INGESTER, "validate", course.file, "--entity", "customer", "--out", course.folder / "out", "--json"]


def _duckdb(course: Course) -> Command:
    return [PYTHON, "-m", "tests.benchmarks.recipe", "duckdb_count", course.file]


# --- import into SQLite -----------------------------------------------------------------------------------------------


def _import(course: Course, file: Path, entity: str) -> Command:
    options: Command = ["--data-dir", course.folder / "data", "--out", course.folder / "out", "--json"]
    url = f"sqlite:///{course.folder / 'ours.db'}"
    return [INGESTER, "import", file, "--entity", entity, "--database-url", url, *options]


def _import_customers(course: Course) -> Command:
    return _import(course, course.file, "customer")


def _import_territories(course: Course) -> list[Command]:
    return [_import(course, course.territories, "territory")]


def _import_both(course: Course) -> list[Command]:
    return [*_import_territories(course), _import_customers(course)]


def _upsert(course: Course) -> Command:
    return [PYTHON, "-m", "tests.benchmarks.recipe", "sqlite_upsert", course.file, course.folder / "recipe.db"]


def _upserted(course: Course) -> list[Command]:
    return [_upsert(course)]


RACES = (
    Race(
        "validate, all reports written",
        (
            Contender(
                "ingester validate",
                _validate,
                truth=lambda course: {"stats.error_rows": course.bad - course.orphans},
                accept=(0, 2),
            ),
            Contender(
                "duckdb, only counting",
                _duckdb,
                truth=lambda course: {"bad_rows": course.bad - course.orphans},
            ),
        ),
        budget=1.5,
    ),
    Race(
        "first import into SQLite",
        (
            Contender(
                "ingester import",
                _import_customers,
                prepare=_import_territories,
                truth=lambda course: {
                    "stats.error_rows": course.bad,
                    "stats.created_count": course.rows - course.bad,
                },
                accept=(0, 2),
            ),
            Contender("csv.reader + executemany upsert", _upsert),
        ),
        budget=1.2,
    ),
    Race(
        "the same file again into SQLite",
        (
            Contender(
                "ingester import",
                _import_customers,
                prepare=_import_both,
                truth=lambda course: {
                    "stats.error_rows": course.bad,
                    "stats.skipped_count": course.rows - course.bad,
                },
                accept=(0, 2),
            ),
            Contender("csv.reader + executemany upsert", _upsert, prepare=_upserted),
        ),
        budget=1.2,
    ),
)
