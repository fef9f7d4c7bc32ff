"""Runs contenders against one another: warm, in turn, each round in a folder and a database that nobody used before."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.benchmarks.course import PART, Course
from tests.benchmarks.figure import Figure, Figures, Ref
from tests.benchmarks.inprocess import ContenderFailed, Lap, WarmProcess
from tests.postgres import Postgres


class Database(StrEnum):
    """What a race is run on."""

    NONE = "no database"
    SQLITE = "SQLite"
    POSTGRES = "PostgreSQL"


@dataclass(frozen=True)
class Contender:
    """A workload, named `module:function` below `tests.benchmarks`."""

    name: str
    workload: str
    #: It gets one row of so many; its times are scaled to all of them.
    part: int = 1


@dataclass(frozen=True)
class Race:
    """Contenders that do comparable work on one kind of database."""

    name: str
    contenders: tuple[Contender, ...]
    database: Database = Database.NONE


def run(
    race: Race, course: Course, warm_up: Course, rounds: int, postgres: Postgres, tell: Callable[[str], None]
) -> Figures:
    """Every contender once in each round, so that a slow minute of the machine hits all of them.

    A contender that fails drops out, with its last words told.
    """
    laps: dict[Contender, list[dict[str, Lap]]] = defaultdict(list)
    with ExitStack() as stack:
        warm = {each: stack.enter_context(WarmProcess(f"tests.benchmarks.{each.workload}")) for each in race.contenders}
        for number in range(rounds + 1):
            for contender in [*warm]:
                tell(f"{race.name}: {contender.name}, " + (f"round {number} of {rounds}" if number else "warming up"))
                try:
                    done = _once(warm[contender], course if number else warm_up, race.database, postgres)
                except ContenderFailed as failure:
                    tell(f"{contender.name} failed: {str(failure)[-2000:]}")
                    del warm[contender]
                    laps.pop(contender, None)
                else:
                    laps[contender] += [done] if number else []
    rows = course.files["customers"].rows
    return {
        figure.ref: figure for contender, done in laps.items() for figure in _figures(race.name, contender, done, rows)
    }


def _once(process: WarmProcess, course: Course, database: Database, postgres: Postgres) -> dict[str, Lap]:
    with tempfile.TemporaryDirectory(dir=course.folder) as folder:
        course = replace(course, folder=folder)
        if database is not Database.POSTGRES:
            return process.run(course)
        url = postgres.create_database()
        try:
            return process.run(replace(course, database_url=url))
        finally:
            postgres.drop_database(url)


def _figures(race: str, contender: Contender, done: list[dict[str, Lap]], rows: int) -> list[Figure]:
    return [
        Figure(
            Ref(race, contender.name, lap),
            rows,
            [laps[lap].seconds * contender.part for laps in done],
            [laps[lap].peak_bytes for laps in done],
        )
        for lap in (done[0] if done else ())
    ]


INGESTER = "ingester"
RECIPE = "hand recipe"

VALIDATE = Race(
    "validate",
    (
        Contender(INGESTER, "ours:validate"),
        Contender("duckdb, only counting", "recipe:duckdb_count"),
        Contender("pandera on polars, lazy", "peer:pandera"),
        Contender(f"frictionless, 1 row in {PART}, scaled", "peer:frictionless", part=PART),
    ),
)
VALIDATE_BY_ERRORS = Race("validate by errors", (Contender(INGESTER, "ours:validate_by_errors"),))
POSTGRES = Race(
    "PostgreSQL",
    (
        Contender(INGESTER, "ours:import_"),
        Contender(RECIPE, "recipe:postgres_upsert"),
        Contender("dlt", "peer:dlt"),
    ),
    Database.POSTGRES,
)
SQLITE = Race(
    "SQLite",
    (
        Contender(INGESTER, "ours:import_"),
        Contender(RECIPE, "recipe:sqlite_upsert"),
        Contender("dlt", "peer:dlt"),
    ),
    Database.SQLITE,
)
