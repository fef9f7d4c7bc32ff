"""Options that several commands share, and what they open."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ingester.directory import DataDirectory
from ingester.settings import Settings, load
from ingester.store.ledger import Ledger

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where everything is kept. Default: ./ingester-data", show_default=False),
]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file of settings.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def settings(data_dir: Path | None = None, config: Path | None = None, **flags: Any) -> Settings:
    """The settings in force; flags that were not given do not count."""
    given = {name: value for name, value in {**flags, "data_dir": data_dir}.items() if value not in (None, {})}
    return load(config, **given)


def only_given(**values: Any) -> dict[str, Any]:
    """The values that were given."""
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def opened(data_dir: Path | None) -> Iterator[tuple[Ledger, DataDirectory, Settings]]:
    """The ledger of a data directory, which may be in use by a running service."""
    found = settings(data_dir)
    directory = DataDirectory(found.data_dir)
    directory.create()
    ledger = Ledger.open(found.ledger_url)
    try:
        yield ledger, directory, found
    finally:
        ledger.close()


def print_json(content: Mapping[str, Any] | list[Any]) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2, default=str))
