"""`make bench`: every contender several times, in turn, on this machine; medians and ratios as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import generate, latency, measure
from tests.benchmarks.contender import RACES, Contender, Course, Race
from tests.benchmarks.measure import Measurement

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """One row of the table."""

    race: str
    contender: str
    seconds: float
    fastest: float
    slowest: float
    peak_bytes: int
    rows_per_second: float
    ratio: float | None = None
    budget: float | None = None


def machine() -> dict[str, Any]:
    """The shape of this machine, without which no number means anything."""
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": names[0].split(": ")[1] if names else platform.machine(),
        "memory_bytes": int(total.split()[1]) * 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def run_race(race: Race, course: Course, rounds: int, console: Console) -> list[Result]:
    """Every contender once in each round, so that a slow minute of the machine hits all of them."""
    measured: dict[str, list[Measurement]] = {contender.name: [] for contender in race.contenders}
    for number in range(rounds):
        for contender in race.contenders:
            console.print(f"[dim]{race.name}: {contender.name}, round {number + 1} of {rounds}")
            with tempfile.TemporaryDirectory(dir=course.folder) as folder:
                measured[contender.name].append(_once(contender, replace(course, folder=Path(folder))))
    results = [_result(race.name, name, runs, course.rows) for name, runs in measured.items()]
    base = results[-1].seconds
    ours, *others = (replace(result, ratio=result.seconds / base) for result in results)
    return [replace(ours, budget=race.budget), *others]


def _once(contender: Contender, course: Course) -> Measurement:
    for command in contender.prepare(course):
        measure.run(command, cwd=REPOSITORY, accept=contender.accept)
    run = measure.run(contender.command(course), cwd=REPOSITORY, accept=contender.accept)
    for path, expected in contender.truth(course).items():
        found = run.printed
        for part in path.split("."):
            found = found[part]
        if found != expected:
            raise RuntimeError(f"{contender.name} says {path} = {found}, the file has {expected}")
    return run


def _result(race: str, name: str, runs: list[Measurement], rows: int) -> Result:
    seconds = [run.seconds for run in runs]
    median = statistics.median(seconds)
    peak = max(run.peak for run in runs)
    return Result(race, name, median, min(seconds), max(seconds), peak, rows / median)


def table(results: list[Result], rows: int, errors: float) -> Table:
    shown = Table(title=f"{rows:,} rows, {errors:.0%} bad", title_justify="left")
    shown.add_column("race")
    shown.add_column("contender")
    for column in ("median s", "fastest", "slowest", "rows/s", "peak MB", "ratio", "at most"):
        shown.add_column(column, justify="right")
    race = None
    for result in results:
        if race not in (None, result.race):
            shown.add_section()
        over = result.budget is not None and result.ratio is not None and result.ratio > result.budget
        shown.add_row(
            result.race if result.race != race else "",
            result.contender,
            *(f"{seconds:.3f}" for seconds in (result.seconds, result.fastest, result.slowest)),
            f"{result.rows_per_second:,.0f}",
            f"{result.peak_bytes / 1e6:.0f}",
            "" if result.ratio is None else f"{'[red]' if over else ''}{result.ratio:.2f}",
            "" if result.budget is None else f"{result.budget:.2f}",
        )
        race = result.race
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure ingester against other ways of doing the same.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--errors", type=float, default=0.01, help="share of rows with one bad cell, 0 to 1")
    parser.add_argument("--only", default="", help="run only the races whose name contains this")
    parser.add_argument("--repeats", type=int, default=20, help="uploads of the latency race")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "bench-results.json")
    given = parser.parse_args()
    # A pipe has no width; a table folded to 80 columns cannot be read.
    console = Console(width=None if sys.stdout.isatty() else 150)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "customers.csv"
        bad = generate.write_customers(file, given.rows, errors=given.errors)
        territories = file.with_name("territories.csv")
        generate.write_territories(territories)
        course = Course(file, territories, given.rows, bad.total(), bad["reference_not_found"], Path(scratch))
        for race in RACES:
            if given.only in race.name:
                results += run_race(race, course, given.rounds, console)
    if given.only in (name := "close to status visible, over SFTP"):
        runs = latency.close_to_status(given.repeats)
        results.append(_result(name, f"{latency.ROWS} rows, {len(runs)} times", runs, latency.ROWS))
    shape = machine()
    console.print(table(results, given.rows, given.errors))
    console.print(
        f"{shape['cpus']} CPUs ({shape['cpu']}), {shape['memory_bytes'] / 2**30:.0f} GiB, "
        f"Linux {shape['kernel']}, Python {shape['python']}"
    )
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": shape,
        "rows": given.rows,
        "rounds": given.rounds,
        "errors": given.errors,
        "results": [asdict(result) for result in results],
    }
    given.json.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"Written to {given.json}")


if __name__ == "__main__":
    main()
