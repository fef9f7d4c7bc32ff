"""Shows figures and verdicts on a terminal and writes them as JSON, with the machine they were measured on."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.benchmarks.claim import Claim, Judged, Verdict
from tests.benchmarks.figure import Figure, Figures
from tests.postgres import Postgres, conninfo

_POSTGRES_SETTINGS = (
    "server_version",
    "shared_buffers",
    "work_mem",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "autovacuum",
)


def console() -> Console:
    """A pipe has no width; a table folded to 80 columns cannot be read."""
    return Console(width=None if sys.stdout.isatty() else 150, highlight=False)


def tell(text: str) -> None:
    """Say what is going on."""
    console().print(text, style="dim", markup=False)


def machine(postgres: Postgres) -> dict[str, Any]:
    """What no number means anything without: the shape of this machine and PostgreSQL's settings, equal for all."""
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    with psycopg.connect(conninfo(postgres.url("postgres"))) as connection:
        settings: dict[str, str] = dict(
            connection.execute(
                "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", [list(_POSTGRES_SETTINGS)]
            ).fetchall()
        )
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": names[0].split(": ")[1] if names else platform.machine(),
        "memory_bytes": int(total.split()[1]) * 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": settings,
    }


def conclude(
    figures: Figures,
    claims: Iterable[Claim],
    postgres: Postgres,
    course: Mapping[str, Any],
    path: Path,
) -> bool:
    """Print everything, write it to `path`, and say whether every claim was met."""
    judged = [claim.judge(figures) for claim in claims]
    shape, out = machine(postgres), console()
    out.print(_figures(figures.values()))
    out.print(_verdicts(judged))
    settings = ", ".join(f"{name} {value}" for name, value in shape["postgresql"].items())
    out.print(
        f"{shape['cpus']} CPUs ({shape['cpu']}), {shape['memory_bytes'] / 2**30:.0f} GiB, "
        f"Linux {shape['kernel']}, Python {shape['python']}; PostgreSQL: {settings}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(figures, judged, shape, course), indent=2) + "\n")
    out.print(f"Written to {path}")
    return all(each.verdict in (Verdict.MET, Verdict.STRETCHED) for each in judged)


def document(
    figures: Figures, judged: Iterable[Judged], shape: Mapping[str, Any], course: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole outcome as JSON values."""
    return {
        "schema": "ingester.bench/2",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(shape),
        **course,
        "figures": [
            {
                **figure.ref._asdict(),
                "rows": figure.rows,
                "seconds": list(figure.seconds),
                "median_seconds": figure.median,
                "rows_per_second": figure.rows_per_second,
                "peak_bytes": figure.peak,
            }
            for figure in figures.values()
        ],
        "claims": [
            {
                "what": each.claim.what,
                "value": each.value,
                "at_most": each.claim.at_most,
                "stretch": each.claim.stretch,
                "verdict": each.verdict.value,
            }
            for each in judged
        ],
    }


def _figures(figures: Iterable[Figure]) -> Table:
    shown = Table(title="Figures", title_justify="left")
    for column in ("race", "lap", "contender"):
        shown.add_column(column)
    for column in ("rows", "rounds", "median s", "fastest", "slowest", "rows/s", "peak MB"):
        shown.add_column(column, justify="right")
    ordered = sorted(figures, key=lambda figure: (figure.ref.race, figure.ref.lap))
    before = ("", "")
    for figure in ordered:
        race, contender, lap = figure.ref
        if before not in (("", ""), (race, lap)):
            shown.add_section()
        shown.add_row(
            race,
            lap,
            contender,
            f"{figure.rows:,}",
            str(len(figure.seconds)),
            *(f"{seconds:.3f}" for seconds in (figure.median, min(figure.seconds), max(figure.seconds))),
            f"{figure.rows_per_second:,.0f}",
            f"{figure.peak / 1e6:.0f}",
        )
        before = (race, lap)
    return shown


def _verdicts(judged: Iterable[Judged]) -> Table:
    shown = Table(title="Budgets", title_justify="left")
    shown.add_column("what")
    for column in ("measured", "at most", "stretch"):
        shown.add_column(column, justify="right")
    shown.add_column("verdict")
    for each in judged:
        *cells, verdict = map(escape, each.cells())
        good = each.verdict in (Verdict.MET, Verdict.STRETCHED)
        shown.add_row(*cells, f"[{'green' if good else 'red'}]{verdict}[/]")
    return shown
