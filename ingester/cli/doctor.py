"""`ingester doctor`: what is wrong with a site, and how to mend it."""

from __future__ import annotations

import sys

import typer

from ingester.cli.options import Config, DataDir, Json, print_json, settings

EXAMPLES = "Examples: `ingester doctor` · `ingester doctor --data-dir /var/lib/ingester --json`"

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def doctor(data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> None:
    """Look at keys, permissions, disk, clock, databases, rules and the service; change nothing.

    Ends with 3 if something is wrong, with 0 if not; warnings can wait.
    """
    from ingester import log
    from ingester.doctor.examine import examine
    from ingester.doctor.finding import State
    from ingester.doctor.subject import Subject

    site = settings(data_dir, config)
    log.configure(site.log_format, site.log_level)
    subject = Subject(site, config)
    try:
        found = list(examine(subject))
    finally:
        subject.close()
    states = [finding.state for _, finding in found]
    worst = next((state for state in (State.WRONG, State.WARNING) if state in states), State.OK)
    if as_json:
        checks = [
            {"check": name, "state": finding.state.value, "said": finding.said, "fix": finding.fix or None}
            for name, finding in found
        ]
        print_json({"state": worst.value, "checks": checks})
    else:
        rows = [(finding.state.value, name, finding.said, finding.fix) for name, finding in found]
        if sys.stdout.isatty():
            _print_table(rows)
        else:
            _print_lines(rows)
        wrong, warned = states.count(State.WRONG), states.count(State.WARNING)
        typer.echo(f"{len(found)} findings: {wrong} wrong, {warned} to look after")
    if worst is State.WRONG:
        raise typer.Exit(3)


def _print_table(rows: list[tuple[str, str, str, str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("", "check", "found"):
        table.add_column(column, overflow="fold")
    for state, name, said, fix in rows:
        found = Text(said)
        if fix:
            found.append(f"\n→ {fix}", style="bold")
        table.add_row(Text(state, style=_COLOURS[state]), name, found)
    Console(highlight=False).print(table)


def _print_lines(rows: list[tuple[str, str, str, str]]) -> None:
    for state, name, said, fix in rows:
        typer.echo(f"{state:8}{name}: {said}{f' -> {fix}' if fix else ''}")
