"""One rule file: an `Entity`, checked as far as it can be without the other files of its catalogue."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from ingester.domain.name import ENTITY_PATTERN, RESERVED_ENTITIES
from ingester.ruleset.check import read_checks
from ingester.ruleset.clash import refuse_clashes
from ingester.ruleset.document import parse
from ingester.ruleset.draft import Draft
from ingester.ruleset.field import read_field
from ingester.ruleset.mistake import Report
from ingester.ruleset.model import Entity, Field, FieldType
from ingester.ruleset.naming import fold
from ingester.ruleset.reference import read_foreign_keys
from ingester.ruleset.section import Section

#: What one value can be written in several ways of.
_NO_KEYS = frozenset({FieldType.ARRAY, FieldType.LIST, FieldType.OBJECT, FieldType.GEOJSON, FieldType.GEOPOINT})
#: PostgreSQL cuts names at 63 bytes without a word; the rest is for the suffixes of indexes and staging tables.
MAX_TABLE_NAME = 50


def read_entity(path: Path, data: bytes, catalogue: str) -> Draft:
    """The draft of one rule file, read as far as its mistakes allow; they are in the draft's report."""
    draft = Draft(Report(path))
    report = draft.report
    root = parse(data, report)
    if root is None:
        return draft
    section = Section(root, "", report)
    if not isinstance(root.value, dict):
        return draft
    missing = _missing_values(section)
    lines = draft.lines
    fields = _fields(section, frozenset(missing), lines)
    primary_key = _primary_key(section, fields)
    foreign_keys = read_foreign_keys(section, fields, path.stem, lines)
    entity = draft.entity = Entity(
        catalogue=catalogue,
        name=_name(section, path, catalogue),
        fields=tuple(_keyed(field, primary_key, section) for field in fields),
        primary_key=primary_key,
        foreign_keys=foreign_keys,
        checks=read_checks(section, {field.name: field for field in fields}),
        missing_values=missing,
        title=section.text("title").strip(),
        description=section.text("description").strip(),
        tier=section.count("tier", least=1) or 1,
        aliases=_aliases(section),
        path=path,
        version=hashlib.sha256(data).hexdigest(),
    )
    section.close()
    refuse_clashes(entity, lines, report)
    lines |= {key: section.line_of(key) for key in ("name", "tier", "aliases")}
    return draft


def _name(section: Section, path: Path, catalogue: str) -> str:
    """The file's name decides when the two differ, so that references from other files still find the entity."""
    name = section.text("name")
    if not section.has("name"):
        section.wrong("name", f"is missing: write 'name: {path.stem}'")
    elif name.startswith("_"):
        section.wrong("name", "names that start with _ are reserved")
    elif name and not is_entity_name(name):
        section.wrong("name", "must be small letters, digits and single _, start with a letter, at most 41 characters")
    elif name in RESERVED_ENTITIES:
        section.wrong("name", f"'{name}' is a reserved name")
    elif name and name != path.stem:
        section.wrong("name", f"'{name}' must equal the file's name, '{path.stem}'")
    elif len(f"{catalogue}__{name}") > MAX_TABLE_NAME:
        section.wrong("name", f"'{catalogue}__{name}' is longer than {MAX_TABLE_NAME} characters, too long for a table")
    return path.stem


def is_entity_name(name: str) -> bool:
    """Whether an entity or catalogue may be called so. `__` separates the two in table names."""
    return bool(ENTITY_PATTERN.match(name)) and "__" not in name and not name.endswith("_")


def _missing_values(section: Section) -> tuple[str, ...]:
    values = [text for text, _ in section.texts("missingValues", allow_empty=True)]
    for value in sorted({value for value in values if values.count(value) > 1}):
        section.wrong("missingValues", f"'{value}' is given twice")
    # Table Schema lets a file drop the empty text from the list; a CSV has no other way to leave a cell out.
    if values and "" not in values:
        section.wrong("missingValues", "must contain the empty text ''")
    return tuple(dict.fromkeys(values)) or ("",)


def _fields(section: Section, missing: frozenset[str], lines: dict[str, int]) -> list[Field]:
    fields: list[Field] = []
    if not section.has("fields"):
        section.wrong("fields", "is missing")
    for index, node in enumerate(section.items("fields")):
        field = read_field(node, index, missing, section.report)
        if field is None:
            continue
        key = f"fields.{field.name}"
        if key in lines:
            section.report.add(node.line, key, f"duplicate field, first given in line {lines[key]}")
            continue
        lines[key] = node.line
        fields.append(field)
    return fields


def _primary_key(section: Section, fields: list[Field]) -> tuple[str, ...]:
    names = section.names("primaryKey", [field.name for field in fields], "field")
    for field in fields:
        if field.name in names and (field.is_family or field.type in _NO_KEYS):
            what = "a family of columns" if field.is_family else f"of the type {field.type}"
            section.wrong("primaryKey", f"'{field.name}' is {what}, by which no record can be found")
    return names


def _keyed(field: Field, primary_key: tuple[str, ...], section: Section) -> Field:
    """Being part of the primary key is `required: true`, says the standard."""
    if field.name not in primary_key:
        return field
    if field.default is not None and not field.constraints.required:
        section.report.add(section.line_of("primaryKey"), "primaryKey", f"'{field.name}' cannot have a default")
    return dataclasses.replace(field, constraints=dataclasses.replace(field.constraints, required=True))


def _aliases(section: Section) -> tuple[str, ...]:
    found: list[str] = []
    for alias, line in section.texts("aliases"):
        name = fold(alias)
        if not is_entity_name(name):
            section.wrong("aliases", f"'{alias}' must be letters, digits and single _, start with a letter", line)
        elif name in RESERVED_ENTITIES:
            section.wrong("aliases", f"'{alias}' is a reserved name", line)
        elif name in found:
            section.wrong("aliases", f"'{alias}' is given twice", line)
        else:
            found.append(name)
    return tuple(found)
