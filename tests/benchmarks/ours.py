"""Ingester as a contender: a file through the pipeline as a worker runs it, its reports renamed into an outbox.

The clock starts where a worker does: the file has landed, rules and tables are there. Hashing is part of landing.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ingester import pipeline
from ingester.directory import DataDirectory
from ingester.pipeline import Order
from ingester.ruleset.model import RuleSet
from ingester.ruleset.shipped import in_force
from ingester.store.data_tables import ImportOutcome
from ingester.store.datastore import DataStore
from tests.benchmarks.course import Course
from tests.benchmarks.inprocess import Clock
from tests.landed import landed

_CATALOGUE = "field_service"


def validate(course: Course, clock: Clock) -> None:
    """Validate without a database, every report written."""
    _validate(course, clock, "customers", "validate")


def validate_by_errors(course: Course, clock: Clock) -> None:
    """Validate a file without bad rows and one with every other row bad."""
    _validate(course, clock, "clean", "0 % bad")
    _validate(course, clock, "half", "50 % bad")


def _validate(course: Course, clock: Clock, name: str, lap: str) -> None:
    file = course.files[name]
    status = _run(pipeline.check, Path(file.path), "customer", Path(course.folder), clock, lap)
    _expect(status, error_rows=file.bad_alone, total_rows=file.rows)


def import_once(course: Course, clock: Clock) -> None:
    """Import the file into an empty database."""
    with _imports(course, clock) as imported:
        _expect_created(imported("customers", "first"), course)


def import_(course: Course, clock: Clock) -> None:
    """Import the file into an empty database, then once more, then with 1 % of the rows changed."""
    file = course.files["customers"]
    with _imports(course, clock) as imported:
        _expect_created(imported("customers", "first"), course)
        _expect(imported("customers", "again"), error_rows=file.bad, skipped_count=file.rows - file.bad)
        status = imported("changed", "changed")
        _expect(status, error_rows=file.bad, created_count=0)
        if not 0 < status["stats"]["updated_count"] / file.rows < 0.02:
            raise AssertionError(f"about 1 % should be updated: {status['stats']}")


@contextmanager
def _imports(course: Course, clock: Clock) -> Iterator[Callable[[str, str], dict[str, Any]]]:
    """Gives a function that imports a file as a lap and returns the status; the territories are there."""
    folder = Path(course.folder)
    store = DataStore.open(course.database_url or f"sqlite:///{folder / 'ours.db'}")
    store.ensure_tables(_rules().catalogues[_CATALOGUE])

    def run(order: Order, directory: DataDirectory, workspace: Path) -> ImportOutcome:
        return pipeline.run(order, store, directory, workspace)

    _run(run, Path(course.territories), "territory", folder, Clock(course), "territories")
    yield lambda name, lap: _run(run, Path(course.files[name].path), "customer", folder, clock, lap)
    store.close()


def _expect_created(status: dict[str, Any], course: Course) -> None:
    file = course.files["customers"]
    _expect(status, error_rows=file.bad, created_count=file.rows - file.bad)


def _run(
    run: Callable[[Order, DataDirectory, Path], ImportOutcome],
    file: Path,
    entity: str,
    folder: Path,
    clock: Clock,
    lap: str,
) -> dict[str, Any]:
    job, drop = landed(file, _rules().entity(_CATALOGUE, entity), hashed=False)
    out = folder / f"out {lap}"
    out.mkdir()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        workspace = Path(scratch)
        order = Order(job=job, drop=drop, entity=_rules().entity(_CATALOGUE, entity))
        with clock(lap):
            outcome = run(order, DataDirectory(workspace), workspace)
            for name in outcome.files:
                (workspace / outcome.workspace / name).rename(out / name)
    (found,) = out.glob("*.status.json")
    status: dict[str, Any] = json.loads(found.read_text())
    shutil.rmtree(out)
    return status


@cache
def _rules() -> RuleSet:
    return in_force(())


def _expect(status: dict[str, Any], **stats: int) -> None:
    """Nobody is fast by being wrong."""
    found = {name: status["stats"][name] for name in stats}
    if found != stats:
        raise AssertionError(f"found {found}, the file has {stats}")
