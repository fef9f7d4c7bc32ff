"""`ingester rules …`: are rule files right, what do they say, and a first draft of one. Reads files, no database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from ingester.cli.options import Json, print_json
from ingester.domain.errors import ConfigurationError, UsageError
from ingester.outbox.docs import pages_of, write_pages
from ingester.ruleset.document import line_of
from ingester.ruleset.entity import is_entity_name
from ingester.ruleset.load import load_folder
from ingester.ruleset.mistake import RuleErrors, RuleMistake, did_you_mean
from ingester.ruleset.model import Catalogue, Entity
from ingester.ruleset.order import ImportOrder
from ingester.ruleset.shipped import shipped

app = typer.Typer(no_args_is_help=True, help="Check, list, document and draft the rule files that describe entities.")

_Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders of rule files, each a catalogue. Default: those that ship."),
]


@app.command(
    epilog="Examples: `ingester rules check` · `ingester rules check ./rules/field_service` · "
    "`ingester rules check ./mine --json`"
)
def check(folders: _Folders = None, as_json: Json = False) -> None:
    """Check rule files and print every mistake with its file, line and key. Exit code 1 if there is one.

    Examples, defaults and accepted cells are put through the very checks that files go through.
    """
    catalogues, mistakes = _read(folders)
    mistakes += [mistake for catalogue in catalogues for mistake in _rehearsed(catalogue)]
    wrong = {mistake.path.parent for mistake in mistakes}
    right = [catalogue for catalogue in catalogues if not any(entity.path.parent in wrong for entity in catalogue)]
    if as_json:
        print_json(
            {
                "ok": not mistakes,
                "catalogues": [{"name": each.name, "entities": len(each.entities)} for each in right],
                "mistakes": [
                    {"path": str(each.path), "line": each.line or None, "key": each.key, "message": each.message}
                    for each in mistakes
                ],
            }
        )
    else:
        for mistake in mistakes:
            typer.echo(mistake)
        for catalogue in right:
            count = len(catalogue.entities)
            typer.echo(f"{catalogue.name}: {count} {'entity' if count == 1 else 'entities'}, no mistakes")
    raise typer.Exit(1 if mistakes else 0)


@app.command("list", epilog="Examples: `ingester rules list` · `ingester rules list ./mine --json`")
def list_entities(folders: _Folders = None, as_json: Json = False) -> None:
    """List the entities of the catalogues, parents first."""
    catalogues, mistakes = _read(folders)
    if mistakes:
        typer.echo(RuleErrors(mistakes), err=True)
        raise typer.Exit(1)
    entities = [entity for catalogue in catalogues for entity in ImportOrder(catalogue)]
    if as_json:
        print_json([_described(entity) for entity in entities])
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("catalogue", "entity", "tier", "fields", "references"):
        table.add_column(column, justify="right" if column in {"tier", "fields"} else "left", overflow="fold")
    for entity in entities:
        references = ", ".join(key.entity for key in entity.foreign_keys)
        table.add_row(entity.catalogue, entity.name, str(entity.tier), str(len(entity.fields)), references)
    Console().print(table)


@app.command(
    epilog="Examples: `ingester rules docs field_service.customer` · `ingester rules docs wealth --out docs` · "
    "`ingester rules docs mine --rules ./mine`"
)
def docs(
    wanted: Annotated[
        str, typer.Argument(metavar="[CATALOGUE[.ENTITY]]", help="What to describe. Default: everything.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write a dictionary and a template for each into this folder instead.")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="Folders of rule files instead of those that ship.")
    ] = None,
) -> None:
    """Print the data dictionaries and CSV templates that customers find in /docs, or write them into a folder."""
    catalogues, mistakes = _read(rules)
    if mistakes:
        raise RuleErrors(mistakes)
    name, _, entity = wanted.partition(".")
    if wanted and not any(each.name == name and (not entity or entity in each.entities) for each in catalogues):
        known = [each.name for each in catalogues] + [each.full_name for catalogue in catalogues for each in catalogue]
        raise UsageError(f"there is no '{wanted}'{did_you_mean(wanted, known)}", fix="See `ingester rules list`.")
    chosen = [each for each in catalogues if name in ("", each.name)]
    for catalogue in chosen:
        pages = pages_of(tuple(catalogue), [entity] if entity else None)
        if out is None:
            typer.echo("\n".join(_shown(page, text) for page, text in pages.items()))
            continue
        folder = out if len(chosen) == 1 else out / catalogue.name
        folder.mkdir(parents=True, exist_ok=True)
        write_pages(folder, pages)
        typer.echo(f"{folder}: {len(pages)} files")


@app.command(
    epilog="Examples: `ingester rules infer customers.csv` · "
    "`ingester rules infer export.csv --name customer --out rules/mine/customer.yaml`"
)
def infer(
    sample: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV such as people will send.")],
    name: Annotated[str | None, typer.Option(help="What one row is. Default: made of the file's name.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as one JSON document instead.")] = False,
) -> None:
    """Draft a rule file from a sample: types, formats, lengths, values, a key. Read it through before you use it."""
    # pandas takes a second to load: nobody else should wait for it.
    from ingester.ruleset.infer import entity_name
    from ingester.ruleset.infer import infer as drafted

    entity = name or (out.stem if out is not None else entity_name(sample))
    if not is_entity_name(entity):
        raise UsageError(
            f"an entity cannot be called '{entity}'",
            fix="Use small letters, digits and single _, as --name order_item.",
        )
    text = drafted(sample, entity)
    if as_json:
        text = json.dumps(yaml.safe_load(text), indent=2, ensure_ascii=False, default=str) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{out} exists", fix="Choose another --out, or remove it.") from None
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", fix="Choose another --out.") from None
    typer.echo(f"{out}: a draft. Check it with `ingester rules check {out.parent}`.")


def _shown(page: str, text: str) -> str:
    return f"Template `{page}`:\n\n```csv\n{text}```\n" if page.endswith(".csv") else text


def _rehearsed(catalogue: Catalogue) -> Iterator[RuleMistake]:
    """What loading does not tell: it takes the column checks, which load Arrow."""
    from ingester.checks.rehearsal import rehearse

    for entity in catalogue:
        try:
            found = list(rehearse(entity))
        except ConfigurationError as error:
            found = [("", str(error))]
        for key, message in found:
            yield RuleMistake(entity.path, line_of(entity.path, key), key, message)


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
            {
                "name": field.name,
                "type": field.type,
                "format": field.format,
                "required": field.constraints.required,
                "column": field.column,
            }
            for field in entity.fields
        ],
        "references": [
            {
                "fields": key.fields,
                "entity": key.entity,
                "reference_fields": key.reference_fields,
                "scope": key.scope,
            }
            for key in entity.foreign_keys
        ],
        "checks": [{"code": each.code, "severity": each.severity, "fields": each.fields} for each in entity.checks],
        "path": str(entity.path),
    }
