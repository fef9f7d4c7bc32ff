"""The `docs` folder a tenant sees: a template and a data dictionary for each entity, and what every notice means.

Generated from the rule files, so it is never out of step with what is checked.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ingester.domain import notice
from ingester.outbox.sample import sample
from ingester.ruleset.model import Entity, Field, FieldType, ReferenceScope, Step

_HOLDS = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "whole number, as 42",
    FieldType.NUMBER: "decimal number, as 1234.50",
    FieldType.BOOLEAN: "true or false",
    FieldType.DATE: "date, as 2026-01-31",
    FieldType.TIME: "time, as 14:30",
    FieldType.DATETIME: "date and time, as 2026-01-31T14:30:00Z",
    FieldType.YEAR: "year, as 2026",
    FieldType.YEARMONTH: "month, as 2026-01",
    FieldType.DURATION: "duration, as P1DT2H30M",
    FieldType.GEOPOINT: "longitude and latitude, as 13.4, 52.5",
    FieldType.OBJECT: 'JSON object, as {"key": "value"}',
    FieldType.GEOJSON: "GeoJSON object",
    FieldType.ANY: "anything, kept as sent",
}
_GEOPOINTS = {"array": "as [13.4, 52.5]", "object": 'as {"lon": 13.4, "lat": 52.5}'}
#: What customers need not do themselves.
_STEPS = {
    Step.TRIM: "blanks around it are ignored",
    Step.COLLAPSE_SPACES: "extra blanks are ignored",
    Step.LOWER: "kept in small letters",
    Step.UPPER: "kept in capitals",
    Step.NFC: "accents are kept in one way",
    Step.PHONE: "kept as +16025550142",
    Step.EMAIL: "the domain is kept in small letters",
    Step.COUNTRY: "kept as a two-letter country code",
    Step.CURRENCY: "kept as a three-letter currency code",
}


def write(folder: Path, entities: Iterable[Entity]) -> None:
    """Write or rewrite every page; pages of entities that are gone are removed."""
    replace(folder, pages(tuple(entities)))


def replace(folder: Path, found: Mapping[str, str]) -> None:
    """Make these pages all that there are in a folder. Of processes that do so together, each waits for its turn."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for page in folder.iterdir():
            if page.name not in found:
                page.unlink()
        write_pages(folder, found)
    finally:
        os.close(descriptor)


def write_pages(folder: Path, found: Mapping[str, str]) -> None:
    """Write the pages that are not there yet as they should be; others are left alone."""
    for name, text in found.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            temporary = folder / f".{name}"
            temporary.write_text(text, encoding="utf-8")
            temporary.rename(path)


def pages(entities: Sequence[Entity]) -> dict[str, str]:
    """File name → text, the catalogue of notices included."""
    return {"notices.md": _notices(), **pages_of(entities)}


def pages_of(entities: Sequence[Entity], names: Collection[str] | None = None) -> dict[str, str]:
    """The dictionaries and templates of the entities, or of those of these names; the others may be referred to.

    Where two catalogues have an entity of one name, the catalogue is part of the names of files.
    """
    found: dict[str, str] = {}
    count = Counter(entity.name for entity in entities)
    for entity in entities:
        if names is None or entity.name in names:
            name = entity.name if count[entity.name] == 1 else entity.full_name
            found[f"{name}.md"] = dictionary(entity)
            found[f"{name}.template.csv"] = template(entity, entities)
    return found


def template(entity: Entity, others: Iterable[Entity] = ()) -> str:
    """A CSV with the entity's columns and a row of examples that imports, once those of what it refers to are in."""
    row = sample(entity, others)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(row)
    writer.writerow(row.values())
    return text.getvalue()


def dictionary(entity: Entity) -> str:
    """A page that says what every column holds and what is checked."""
    key = " and ".join(f"`{name}`" for name in entity.primary_key)
    identified = f"A record is identified by {key}." if key else "Every row is a new record."
    blank = [f"`{text}`" for text in entity.missing_values if text]
    lines = [
        f"# {entity.title or entity.name}",
        "",
        *([entity.description, ""] if entity.description else []),
        f"Files: `{entity.name}….csv`, or any name in `/inbox/{entity.name}/`. {identified}",
        *(["", f"Cells that count as empty: {', '.join(blank)}."] if blank else []),
        "",
        "| column | required | holds | rules | example | meaning |",
        "|---|---|---|---|---|---|",
        *(_line(*_row(entity, field)) for field in entity.fields),
        *_checks(entity),
    ]
    return "\n".join(lines) + "\n"


def _row(entity: Entity, field: Field) -> tuple[str, ...]:
    example = ", ".join(f"{name}: {cell}" for name, cell in field.members.items()) if field.is_family else field.example
    name = f"`{field.prefix}…`, any number of columns" if field.is_family else f"`{field.name}`"
    required = "yes" if field.constraints.required else ""
    return (name, required, _holds(field), "; ".join(_rules(entity, field)), example, field.description)


def _checks(entity: Entity) -> Iterator[str]:
    if entity.checks:
        yield from ("", "Checked for each row:", "", "| code | severity | columns | message | what to do |")
        yield "|---|---|---|---|---|"
        for check in entity.checks:
            columns = ", ".join(f"`{name}`" for name in check.fields)
            yield _line(f"`{check.code}`", check.severity, columns, check.message, check.hint)


def _holds(field: Field) -> str:
    match field.type:
        case FieldType.ARRAY:
            return f"list, as a{field.delimiter}b{field.delimiter}c or as a JSON array"
        case FieldType.LIST:
            items = "" if field.item_type is FieldType.STRING else f" of {field.item_type} values"
            return f"list{items}, as a{field.delimiter}b{field.delimiter}c"
        case FieldType.BOOLEAN:
            true, false = map(" or ".join, field.words)
            return f"{true} for true, {false} for false"
        case FieldType.INTEGER | FieldType.NUMBER:
            return _number(field)
        case FieldType.GEOPOINT if field.format in _GEOPOINTS:
            return f"longitude and latitude, {_GEOPOINTS[field.format]}"
        case FieldType.STRING if field.format != "default":
            return {"binary": "base64", "uri": "URI", "uuid": "UUID"}.get(field.format, field.format)
        case FieldType.DATE | FieldType.TIME | FieldType.DATETIME if field.format == "any":
            return f"{_HOLDS[field.type]}, or in another usual form"
        case FieldType.DATE | FieldType.TIME | FieldType.DATETIME if field.format != "default":
            return f"{field.type} in the form {field.format}"
    return _HOLDS[field.type]


def _number(field: Field) -> str:
    if field.decimal_char == "." and not field.group_char and field.bare_number:
        return _HOLDS[field.type]
    thousands = "1" + field.group_char + "234"
    shown = thousands if field.type is FieldType.INTEGER else f"{thousands}{field.decimal_char}50"
    around = "" if field.bare_number else ", with or without a sign or unit around it"
    return f"{'whole' if field.type is FieldType.INTEGER else 'decimal'} number, as {shown}{around}"


def _rules(entity: Entity, field: Field) -> Iterator[str]:
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
        "accepted too": ", ".join(f"`{text}`" for text in field.accepted) or None,
    }
    yield from (f"{name} {value}" for name, value in said.items() if value is not None)
    if limits.unique:
        yield "unique"
    for each in field.normalise:
        region = f" (a number without a country code is taken for one of {each.region})" if each.region else ""
        yield _STEPS[each.step] + region
    for key in entity.foreign_keys:
        if field.name in key.fields:
            where = " from any source" if key.scope is ReferenceScope.TENANT else ""
            yield f"an existing {key.entity}{where}"
    if field.is_extra:
        yield "your own column"


def _line(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _notices() -> str:
    rows = (
        _line(f"`{each.code}`", each.severity, each.message.replace("{expected}", "…"), each.hint)
        for each in notice.CATALOGUE.values()
    )
    return "\n".join(
        ("# What the notices mean", "", "| code | severity | message | what to do |", "|---|---|---|---|", *rows, "")
    )
