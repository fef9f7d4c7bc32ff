"""One item of a rule file's `fields`: a `Field`, checked by itself. Its neighbours are `entity`'s business."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator

from ingester.ruleset.constant import accepted_text, cell_text, is_plain, members_text
from ingester.ruleset.constraint import objection, read_constraints
from ingester.ruleset.document import Node
from ingester.ruleset.mistake import Report, did_you_mean, one_of
from ingester.ruleset.model import FAMILY, Constraints, Field, FieldType
from ingester.ruleset.normal import read_normalise
from ingester.ruleset.option import read_options
from ingester.ruleset.section import Section

FIELD_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*(\.\{name\})?\Z")
#: A field is a database column; 50 characters leave room for the suffixes of derived columns and indexes.
MAX_COLUMN = 50


#: What shares one JSON object with other columns: merging objects into it would merge what is inside of them as well.
MEMBER_TYPES = frozenset(FieldType) - {FieldType.ARRAY, FieldType.OBJECT, FieldType.GEOJSON}


def read_field(node: Node, index: int, missing: frozenset[str], report: Report) -> Field | None:
    """The field, as right as it can be made after reporting its mistakes; None without a usable name."""
    stated = node.value.get("name") if isinstance(node.value, dict) else None
    named = stated is not None and isinstance(stated.value, str) and stated.value
    section = Section(node, f"fields.{named}" if named else f"fields[{index}]", report)
    name = section.text("name")
    usable = _check_name(name, section)
    kind = _type(section)
    form = dataclasses.replace(
        read_options(section, name, kind, missing),
        normalise=read_normalise(section, kind),
        aliases=read_aliases(section),
        title=section.text("title").strip(),
        description=section.text("description").strip(),
    )
    inner = section.node("constraints")
    constraints = Constraints()
    if inner is not None:
        constraints = read_constraints(
            Section(inner, section.key("constraints"), report), form, missing, typed=kind is not None
        )
    field = dataclasses.replace(form, constraints=constraints)
    if kind is not None:
        field = dataclasses.replace(
            field,
            default=read_default(section, field, missing),
            example=read_example(section, field, missing) or "",
            accepted=tuple(_accepted(section, field, missing)),
        )
    else:
        for key in ("default", "example", "accepted"):
            section.node(key)
    if field.is_family and not MEMBER_TYPES.issuperset({field.type}):
        section.wrong("type", "the columns of a family hold single values or lists, not arrays or objects")
    section.close()
    return field if usable else None


def _check_name(name: str, section: Section) -> bool:
    """Whether a field can be called so; if not, that has been reported."""
    column = Field(name=name).column
    if not name:
        if not section.has("name"):
            section.wrong("name", "is missing")
        return False
    if name.startswith("_"):
        section.wrong("name", "names that start with _ are reserved")
    elif "{" in name and not name.endswith(FAMILY):
        section.wrong("name", f"a family of columns is called like 'customFields{FAMILY}'")
    elif not FIELD_PATTERN.match(name):
        section.wrong("name", "must be letters, digits, _ and single dots, and start with a letter")
    elif len(column) > MAX_COLUMN:
        section.wrong("name", f"must have at most {MAX_COLUMN} characters")
    else:
        return True
    return False


def _type(section: Section) -> FieldType | None:
    name = section.text("type", "string")
    try:
        return FieldType(name)
    except ValueError:
        hint = did_you_mean(name, FieldType) or f", expected {one_of(FieldType)}"
        section.wrong("type", f"unknown type '{name}'{hint}")
        return None


def read_aliases(section: Section) -> tuple[str, ...]:
    """The further names of a field's column."""
    found: list[str] = []
    for alias, line in section.texts("aliases"):
        if alias in found:
            section.wrong("aliases", f"'{alias}' is given twice", line)
        else:
            found.append(alias)
    return tuple(found)


def read_default(section: Section, field: Field, missing: frozenset[str]) -> str | None:
    """A cell that the field would take as it is: nothing normalises it on its way to the database."""
    node = section.node("default")
    if node is None:
        return None
    if field.is_family:
        section.wrong("default", "does not apply to a family of columns, any of which may be left out")
        return None
    text = _constant(section, "default", node, field, missing, normal=False)
    if text is not None and (field.constraints.required or field.constraints.unique):
        reason = "is required" if field.constraints.required else "is unique"
        section.wrong("default", f"never applies: the field {reason}")
    return text


def read_example(section: Section, field: Field, missing: frozenset[str]) -> str | None:
    """A cell that the field would take, of a family its members."""
    node = section.node("example")
    if node is None:
        return None
    if field.is_family:
        return _members(section, node, field, missing)
    if not is_plain(node, field):
        section.wrong("example", "write a plain number without quotes; it is shown as the field's options say")
        return None
    return _constant(section, "example", node, field, missing, normal=True)


def _members(section: Section, node: Node, field: Field, missing: frozenset[str]) -> str | None:
    try:
        text = members_text(node, field)
    except ValueError as error:
        section.wrong("example", str(error))
        return None
    for name, cell in json.loads(text).items():
        if reason := refusal(field, cell, missing, normal=True):
            section.wrong("example", f"{name}: the field would refuse it: {reason}")
            return None
    return text


def _accepted(section: Section, field: Field, missing: frozenset[str]) -> Iterator[str]:
    for item in section.items("accepted"):
        try:
            text = accepted_text(item, field)
        except ValueError as error:
            section.wrong("accepted", f"expected the type {field.type}: {error}", item.line)
            continue
        if reason := refusal(field, text, missing, normal=True, strict=False):
            section.wrong("accepted", f"the field would refuse it: {reason}", item.line)
        else:
            yield text


def _constant(
    section: Section, key: str, node: Node, field: Field, missing: frozenset[str], *, normal: bool
) -> str | None:
    """A default or example: the text of a cell that the field itself would accept."""
    try:
        text = cell_text(node, field)
    except ValueError as error:
        section.wrong(key, f"expected the type {field.type}: {error}")
        return None
    if reason := refusal(field, text, missing, normal=normal):
        section.wrong(key, f"the field would refuse it: {reason}")
        return None
    return text


def refusal(field: Field, text: str, missing: frozenset[str], *, normal: bool, strict: bool = True) -> str | None:
    """Why a cell would be missing or wrong; the arguments are those of `objection`."""
    if text in missing or (not text.strip() and "" in missing):
        return "it is one of the missingValues"
    return objection(field, text, normal=normal, strict=strict)
