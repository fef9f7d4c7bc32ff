"""Options that several commands share, and what they open. Heavy parts load when a command opens something."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.domain.errors import UsageError
from ingester.domain.status import Action, DuplicateHandling

if TYPE_CHECKING:
    from rich.table import Table

    from ingester.cli.site import Site
    from ingester.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where everything is kept. Default: ./ingester-data", show_default=False),
]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file of settings.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ActionWord = Annotated[Action, typer.Option("--action", help="What is done with the records of a file.")]
Duplicates = Annotated[
    DuplicateHandling, typer.Option("--duplicates", help="Which of several rows with one key is kept.")
]
EmptyErases = Annotated[
    bool, typer.Option("--empty-erases", help="An empty cell erases the value of a record that exists.")
]
RemovalGuard = Annotated[
    int,
    typer.Option(
        "--removal-guard",
        help="An overwrite that would remove more than this percentage of its source's records is held; 100: never.",
        min=0,
        max=100,
    ),
]


_WIDE = 10_000
#: Options that were given before the command, by name.
_for_any_command: dict[str, Path | None] = {}


def for_any_command(config: Path | None) -> None:
    """Remember what was given before the command; what is given after it goes first."""
    _for_any_command["config"] = config


def settings(data_dir: Path | None = None, config: Path | None = None, **flags: Any) -> Settings:
    """The settings in force; flags that were not given do not count."""
    from ingester.settings import load

    given = {name: value for name, value in {**flags, "data_dir": data_dir}.items() if value not in (None, {})}
    return load(config or _for_any_command.get("config"), **given)


def only_given(**values: Any) -> dict[str, Any]:
    """The values that were given."""
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def opened(data_dir: Path | None, config: Path | None = None) -> Iterator[Site]:
    """A data directory and its databases, which may be in use by a running service."""
    from ingester.cli.site import Site

    site = Site(settings(data_dir, config))
    try:
        yield site
    finally:
        site.close()


def print_json(content: Mapping[str, Any] | list[Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for people; cells are never cut, only folded, and only where a terminal is too narrow for them.

    There, columns that say nothing are left out as well.
    """
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE  # a line of a file or a pipe is as long as it is
    table = _table(columns, rows)
    if rows and console.measure(table, options=console.options.update(width=_WIDE)).maximum > console.width:
        told = [any(row[place] for row in rows) for place in range(len(columns))]
        table = _table(list(compress(columns, told)), [list(compress(row, told)) for row in rows])
    console.print(table)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def assigned(assignments: Sequence[str]) -> dict[str, str]:
    """`word=value`, one by one."""
    pairs = [each.partition("=") for each in assignments]
    for word, equals, _ in pairs:
        if not equals:
            raise UsageError(f"'{word}' says nothing of how files are read", fix="Say --read WORD=VALUE.")
    return {word: value for word, _, value in pairs}
