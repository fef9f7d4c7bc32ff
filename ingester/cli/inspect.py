"""`ingester inspect FILE...`: what files are, before any rule looks at them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingester.cli.options import Json, print_json, settings
from ingester.domain.errors import UsageError

if TYPE_CHECKING:
    from ingester.inspection import Inspected

EXAMPLES = (
    "Examples: `ingester inspect export.xlsx` · `ingester inspect incoming/* --json` · "
    "`ingester inspect dump.txt.gz --read encoding=cp1252 --csv tables`"
)
_UNREADABLE = 3


def inspect_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files.", show_default=False)],
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="DIR", help="Write each table as read: UTF-8, commas, <file>.csv.", show_default=False
        ),
    ] = None,
    read: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD=VALUE", help="How they are read, as a feed says it: delimiter=';'; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what files are: format, container, encoding, dialect, header, rows and types. Nothing is imported.

    Exit code: 0 all could be read, 3 one could not.
    """
    from ingester import inspection
    from ingester.cli.feed import reads_of

    reads, limits = reads_of(read or []), settings(None).limits
    for file in files:
        if not file.is_file():
            raise UsageError(f"{file} is not a file", fix="Check the path.")
    tables = _tables(files, csv)
    found = []
    for file, table in _with_progress(list(zip(files, tables, strict=True)), quiet=as_json):
        with tempfile.TemporaryDirectory(prefix="ingester-") as scratch:
            one = inspection.inspect(file, file.name, Path(scratch), reads, limits, table)
        one.file = str(file)
        found.append(one)
        if not as_json:
            _print(one)
    if as_json:
        print_json([one.to_json() for one in found])
    raise typer.Exit(_UNREADABLE if any(one.error for one in found) else 0)


def _tables(files: Sequence[Path], folder: Path | None) -> list[Path | None]:
    """Where each table goes: under the file's name, numbered where two files have one name."""
    if folder is None:
        return [None] * len(files)
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    tables: list[Path | None] = []
    for file in files:
        name = file.name if file.name.endswith(".csv") else f"{file.name}.csv"
        number = 1
        while name in taken:
            number += 1
            name = f"{file.name}.{number}.csv"
        taken.add(name)
        if (folder / name).exists() and (folder / name).samefile(file):
            raise UsageError(f"{folder / name} would be overwritten", fix="Choose another folder with --csv.")
        tables.append(folder / name)
    return tables


def _with_progress(items: list[Any], *, quiet: bool) -> Iterator[Any]:
    if quiet or len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, "files", console=Console(stderr=True), transient=True)


def _print(one: Inspected) -> None:
    typer.echo(f"{one.file}")
    if one.error is not None:
        typer.echo(f"  cannot be read: {one.error['message']} ({one.error['code']})")
        return
    for word, value in one.detected.items():
        if value is not None:
            typer.echo(f"  {word:<12} {value if str(value).isprintable() and value != '' else repr(value)}")
    typer.echo(f"  {'rows':<12} {one.rows:,}" + (f", {one.ragged_rows:,} of them ragged" if one.ragged_rows else ""))
    typer.echo(f"  {'columns':<12} " + ", ".join(f"{each['name'] or '?'} ({each['type']})" for each in one.columns))
    if one.truncated:
        typer.echo(f"  cut off      {one.truncated}")
    for warning in one.warnings:
        typer.echo(f"  warning      {warning['message']}")
    if one.csv:
        typer.echo(f"  written to   {one.csv}")
