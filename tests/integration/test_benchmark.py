"""The contenders of the benchmark that need no package beyond those of the tests do what they say, on a small file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import course
from tests.benchmarks.inprocess import ContenderFailed, WarmProcess


@pytest.mark.parametrize(
    ("workload", "laps"),
    [
        ("ours:validate", ["validate"]),
        ("ours:validate_by_errors", ["0 % bad", "50 % bad"]),
        ("ours:import_", ["first", "again", "changed"]),
        ("recipe:sqlite_upsert", ["first", "again"]),
    ],
)
def test_a_contender_counts_what_the_file_holds(tmp_path: Path, workload: str, laps: list[str]) -> None:
    with WarmProcess(f"tests.benchmarks.{workload}") as process:
        assert [*process.run(course.write(tmp_path, 3000))] == laps


@pytest.mark.parametrize(
    ("workload", "laps"),
    [("ours:import_", ["first", "again", "changed"]), ("recipe:postgres_upsert", ["first", "again"])],
)
def test_a_contender_counts_so_in_postgresql(tmp_path: Path, postgres_url: str, workload: str, laps: list[str]) -> None:
    given = replace(course.write(tmp_path, 3000), database_url=postgres_url)
    with WarmProcess(f"tests.benchmarks.{workload}") as process:
        found = process.run(given)
    assert [*found] == laps
    assert all(lap.seconds > 0 and lap.peak_bytes > 1e7 for lap in found.values())


def test_a_contender_that_counts_wrongly_fails_with_its_own_words(tmp_path: Path) -> None:
    given = course.write(tmp_path, 1000)
    spoilt = replace(given.files["customers"], rows=999)
    with (
        WarmProcess("tests.benchmarks.recipe:sqlite_upsert") as process,
        pytest.raises(ContenderFailed, match="the file has"),
    ):
        process.run(replace(given, files={"customers": spoilt}))
