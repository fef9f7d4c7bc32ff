"""One item of a rule file's `fields`: a `Field`, checked by itself. Its neighbours are `entity`'s business."""

from __future__ import annotations

import dataclasses
import re

from ingester.ruleset.constant import FORMATS, cell_text
from ingester.ruleset.constraint import objection, read_constraints
from ingester.ruleset.document import Node
from ingester.ruleset.mistake import Report, did_you_mean, one_of
from ingester.ruleset.model import Constraints, Field, FieldType
from ingester.ruleset.section import Section

#: A field is a database column; 50 characters leave room for the suffixes of derived columns and indexes.
FIELD_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}\Z")
_DELIMITERS = "|;,/"


def read_field(node: Node, index: int, missing: frozenset[str], report: Report) -> Field | None:
    """The field, as right as it can be made after reporting its mistakes; None without a usable name."""
    stated = node.value.get("name") if isinstance(node.value, dict) else None
    named = stated is not None and isinstance(stated.value, str) and stated.value
    section = Section(node, f"fields.{named}" if named else f"fields[{index}]", report)
    name = section.text("name")
    if not name and not section.has("name"):
        section.wrong("name", "is missing")
    elif name.startswith("_"):
        section.wrong("name", "names that start with _ are reserved")
    elif name and not FIELD_PATTERN.match(name):
        section.wrong("name", "must be letters, digits and _, start with a letter, and have at most 50 characters")
    kind = _type(section)
    inner = section.node("constraints")
    constraints = Constraints()
    if inner is not None:
        constraints = read_constraints(Section(inner, section.key("constraints"), report), kind, missing)
    field = Field(
        name=name,
        type=kind or FieldType.STRING,
        format=_format(section, kind),
        constraints=constraints,
        aliases=_aliases(section),
        title=section.text("title").strip(),
        description=section.text("description").strip(),
        delimiter=_delimiter(section, kind),
    )
    default = _constant(section, "default", field, kind, missing)
    example = _constant(section, "example", field, kind, missing)
    section.close()
    if default is not None and (constraints.required or constraints.unique):
        reason = "is required" if constraints.required else "is unique"
        section.wrong("default", f"never applies: the field {reason}")
    if not FIELD_PATTERN.match(name):
        return None
    return dataclasses.replace(field, default=default, example=example or "")


def _type(section: Section) -> FieldType | None:
    name = section.text("type", "string")
    try:
        return FieldType(name)
    except ValueError:
        hint = did_you_mean(name, FieldType) or f", expected {one_of(FieldType)}"
        section.wrong("type", f"unknown type '{name}'{hint}")
        return None


def _format(section: Section, kind: FieldType | None) -> str:
    name = section.text("format", "default")
    if kind is None or name == "default":
        return "default"
    known = ("default", *FORMATS.get(kind, ()))
    if name in known:
        return name
    section.wrong("format", f"unknown format '{name}' of the type {kind}, expected {one_of(known)}")
    return "default"


def _aliases(section: Section) -> tuple[str, ...]:
    found: list[str] = []
    for alias, line in section.texts("aliases"):
        if alias in found:
            section.wrong("aliases", f"'{alias}' is given twice", line)
        else:
            found.append(alias)
    return tuple(found)


def _delimiter(section: Section, kind: FieldType | None) -> str:
    delimiter = section.text("delimiter", "|")
    if kind not in {FieldType.ARRAY, None} and section.has("delimiter"):
        section.wrong("delimiter", f"does not apply to the type {kind}, only to array")
    elif len(delimiter) != 1 or delimiter not in _DELIMITERS:
        section.wrong("delimiter", f"expected one of {' '.join(_DELIMITERS)}")
        return "|"
    return delimiter


def _constant(section: Section, key: str, field: Field, kind: FieldType | None, missing: frozenset[str]) -> str | None:
    """A default or example: text that the field itself would accept."""
    node = section.node(key)
    if node is None or kind is None:
        return None
    try:
        text = cell_text(node, kind, field.delimiter)
    except ValueError as error:
        section.wrong(key, f"expected the type {kind}: {error}")
        return None
    reason = "it is one of the missingValues" if text in missing else objection(field, text)
    if reason is not None:
        section.wrong(key, f"the field would refuse it: {reason}")
        return None
    return text
