"""`ingester rules …`: is what the rule files say right, and what do they say. Reads files, never a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ingester.ruleset.load import load_folder
from ingester.ruleset.mistake import RuleErrors, RuleMistake
from ingester.ruleset.model import Catalogue, Entity
from ingester.ruleset.order import ImportOrder
from ingester.ruleset.shipped import shipped

app = typer.Typer(no_args_is_help=True, help="Check and list the rule files that describe entities.")

_Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders of rule files, each a catalogue. Default: those that ship."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command(
    epilog="Examples: `ingester rules check` · `ingester rules check ./rules/field_service` · "
    "`ingester rules check ./mine --json`"
)
def check(folders: _Folders = None, as_json: _Json = False) -> None:
    """Check rule files and print every mistake with its file, line and key. Exit code 1 if there is one."""
    catalogues, mistakes = _read(folders)
    if as_json:
        _print_json(
            {
                "ok": not mistakes,
                "catalogues": [{"name": each.name, "entities": len(each.entities)} for each in catalogues],
                "mistakes": [
                    {"path": str(each.path), "line": each.line or None, "key": each.key, "message": each.message}
                    for each in mistakes
                ],
            }
        )
    else:
        for mistake in mistakes:
            typer.echo(mistake)
        for catalogue in catalogues:
            count = len(catalogue.entities)
            typer.echo(f"{catalogue.name}: {count} {'entity' if count == 1 else 'entities'}, no mistakes")
    raise typer.Exit(1 if mistakes else 0)


@app.command("list", epilog="Examples: `ingester rules list` · `ingester rules list ./mine --json`")
def list_entities(folders: _Folders = None, as_json: _Json = False) -> None:
    """List the entities of the catalogues, parents first."""
    catalogues, mistakes = _read(folders)
    if mistakes:
        typer.echo(RuleErrors(mistakes), err=True)
        raise typer.Exit(1)
    entities = [entity for catalogue in catalogues for entity in ImportOrder(catalogue)]
    if as_json:
        _print_json([_described(entity) for entity in entities])
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("catalogue", "entity", "tier", "fields", "references"):
        table.add_column(column, justify="right" if column in {"tier", "fields"} else "left", overflow="fold")
    for entity in entities:
        references = ", ".join(key.entity for key in entity.foreign_keys)
        table.add_row(entity.catalogue, entity.name, str(entity.tier), str(len(entity.fields)), references)
    Console().print(table)


def _read(folders: list[Path] | None) -> tuple[list[Catalogue], list[RuleMistake]]:
    """The catalogues without mistakes, and the mistakes of the others."""
    catalogues: list[Catalogue] = []
    mistakes: list[RuleMistake] = []
    for folder in folders or shipped().values():
        try:
            catalogues.append(load_folder(folder))
        except RuleErrors as errors:
            mistakes += errors.mistakes
    return catalogues, sorted(mistakes)


def _described(entity: Entity) -> dict[str, Any]:
    return {
        "catalogue": entity.catalogue,
        "entity": entity.name,
        "title": entity.title,
        "tier": entity.tier,
        "table": entity.table,
        "primary_key": entity.primary_key,
        "fields": [
            {"name": field.name, "type": field.type, "required": field.constraints.required} for field in entity.fields
        ],
        "references": [
            {"fields": key.fields, "entity": key.entity, "reference_fields": key.reference_fields}
            for key in entity.foreign_keys
        ],
        "path": str(entity.path),
    }


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
