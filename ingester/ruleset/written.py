"""An entity written as the text of a rule file, for people to edit: the keys in the order of the shipped files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingester.ruleset.cast import cast
from ingester.ruleset.model import Constraints, Entity, Field, FieldType

_TEMPORAL = frozenset({FieldType.DATE, FieldType.TIME, FieldType.DATETIME})


@dataclass(frozen=True, slots=True)
class Draft:
    """A field, and others that would have taken the same cells: the reader must decide."""

    field: Field
    doubts: tuple[Field, ...] = ()


def written(entity: Entity, drafts: Sequence[Draft], comment: str) -> str:
    """The rule file of `entity` without references and checks; its fields come from `drafts`."""
    lines = [f"# {comment}", f"name: {entity.name}", f"title: {quoted(entity.title)}"]
    if len(entity.primary_key) == 1:
        lines.append(f"primaryKey: {entity.primary_key[0]}")
    elif entity.primary_key:
        lines.append(f"primaryKey: [{', '.join(entity.primary_key)}]")
    else:
        lines.append("# No primaryKey: every row of every file becomes a new record.")
    if len(entity.missing_values) > 1:
        lines.append(f"missingValues: [{', '.join(map(quoted, entity.missing_values))}]")
    lines.append("fields:")
    for draft in drafts:
        lines += _field(draft)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """The text in double quotes, on one line; whatever cannot be seen is escaped as YAML does it."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in shown)


def _field(draft: Draft) -> Iterator[str]:
    field, plain = draft.field, Field(name="")
    yield f"  - name: {field.name}"
    yield f"    title: {quoted(field.title)}"
    yield f"    type: {field.type}"
    if draft.doubts:
        others = ", ".join(each.format for each in draft.doubts)
        yield f"    # The sample would also fit {others}: which is meant?"
    if field.format != "default":
        yield f"    format: {quoted(field.format) if field.type in _TEMPORAL else field.format}"
    if (field.true_values, field.false_values) != (plain.true_values, plain.false_values):
        yield f"    trueValues: [{', '.join(map(quoted, field.true_values))}]"
        yield f"    falseValues: [{', '.join(map(quoted, field.false_values))}]"
    if field.decimal_char != plain.decimal_char:
        yield f"    decimalChar: {quoted(field.decimal_char)}"
    if field.group_char:
        yield f"    groupChar: {quoted(field.group_char)}"
    if not field.bare_number:
        yield "    bareNumber: false"
    if field.example and (example := _example(field)):
        yield f"    example: {example}"
    if field.aliases:
        yield f"    aliases: [{', '.join(map(quoted, field.aliases))}]"
    if constraints := list(_constraints(field.constraints)):
        yield f"    constraints: {{{', '.join(constraints)}}}"


def _constraints(found: Constraints) -> Iterator[str]:
    if found.required:
        yield "required: true"
    if found.unique:
        yield "unique: true"
    if found.enum:
        yield f"enum: [{', '.join(map(quoted, found.enum))}]"
    if found.max_length is not None:
        yield f"maxLength: {found.max_length}"


def _example(field: Field) -> str:
    """The example as the loader takes it: plain YAML of its type; empty if there is no such form."""
    text = field.example
    try:
        value = cast(field, text, strict=False)
        cast(field, text)
    except ValueError:
        return ""  # right in a cell, but not in the one form that every reader knows
    match field.type:
        case FieldType.INTEGER | FieldType.NUMBER:
            return f"{value:f}" if field.type is FieldType.NUMBER else str(value)
        case FieldType.BOOLEAN:
            return str(value).lower()
        case FieldType.ARRAY:
            items = json.loads(str(value))
            if not items or not all(isinstance(each, str) and each and field.delimiter not in each for each in items):
                return ""
            return f"[{', '.join(map(quoted, items))}]"
    return quoted(text)
