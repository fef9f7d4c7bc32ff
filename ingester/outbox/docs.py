"""The `docs` folder a tenant sees: a template and a data dictionary for each entity, and what every notice means.

Generated from the rule files, so it is never out of step with what is checked.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from ingester.domain import notice
from ingester.ruleset.model import Entity, Field, FieldType

_ACCEPTED = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "whole number, as 42",
    FieldType.NUMBER: "decimal number, as 1234.50",
    FieldType.BOOLEAN: "true or false",
    FieldType.DATE: "date, as 2026-01-31",
    FieldType.TIME: "time, as 14:30",
    FieldType.DATETIME: "date and time, as 2026-01-31T14:30:00Z",
    FieldType.ARRAY: "list",
}


def write(folder: Path, entities: Iterable[Entity]) -> None:
    """Write or rewrite every page; pages of entities that are gone are removed."""
    pages = {"notices.md": _notices()}
    for entity in entities:
        pages[f"{entity.name}.md"] = dictionary(entity)
        pages[f"{entity.name}.template.csv"] = template(entity)
    for page in folder.iterdir():
        if page.name not in pages:
            page.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            temporary = folder / f".{name}"
            temporary.write_text(text, encoding="utf-8")
            temporary.rename(path)


def template(entity: Entity) -> str:
    """A CSV with the entity's columns and one row of examples."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in entity.fields)
    writer.writerow(field.example for field in entity.fields)
    return text.getvalue()


def dictionary(entity: Entity) -> str:
    """A page that says what every column holds and what is checked."""
    key = " and ".join(f"`{name}`" for name in entity.primary_key)
    identified = f"A record is identified by {key}." if key else "Every row is a new record."
    lines = [
        f"# {entity.title or entity.name}",
        "",
        entity.description,
        "",
        f"Files: `{entity.name}….csv`, or any name in `/inbox/{entity.name}/`. {identified}",
        "",
        "| column | required | holds | rules | example | meaning |",
        "|---|---|---|---|---|---|",
        *(_row(entity, field) for field in entity.fields),
    ]
    return "\n".join(lines) + "\n"


def _row(entity: Entity, field: Field) -> str:
    required = "yes" if field.constraints.required else ""
    cells = (field.name, required, _holds(field), _rules(entity, field), field.example, field.description)
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _holds(field: Field) -> str:
    if field.type is FieldType.ARRAY:
        return f"list, as a{field.delimiter}b{field.delimiter}c"
    return field.format if field.format != "default" else _ACCEPTED[field.type]


def _rules(entity: Entity, field: Field) -> str:
    limits = field.constraints
    said = {
        "one of": ", ".join(limits.enum) if limits.enum else None,
        "pattern": limits.pattern,
        "at least": limits.minimum,
        "at most": limits.maximum,
        "shortest": limits.min_length,
        "longest": limits.max_length,
        "default": field.default,
        "also called": ", ".join(field.aliases) or None,
    }
    rules = [f"{name} {value}" for name, value in said.items() if value is not None]
    if limits.unique:
        rules.append("unique")
    rules += [f"a {key.entity} that exists" for key in entity.foreign_keys if field.name in key.fields]
    return "; ".join(rules)


def _notices() -> str:
    rows = (
        f"| `{each.code}` | {each.severity} | {each.message.replace('{expected}', '…')} | {each.hint} |"
        for each in notice.CATALOGUE.values()
    )
    return "\n".join(
        ("# What the notices mean", "", "| code | severity | message | what to do |", "|---|---|---|---|", *rows, "")
    )
