"""A field's `constraints`: which exist for which type, that they hold together, and whether a constant meets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import re2

from ingester.ruleset.constant import FORMATS, cast, cell_text
from ingester.ruleset.mistake import one_of
from ingester.ruleset.model import Constraints, Field, FieldType, Scalar
from ingester.ruleset.section import Section

_ANY = frozenset({"required", "unique", "enum"})
_ORDERED = _ANY | {"minimum", "maximum"}

#: As in the Table Schema standard, but `unique` and `enum` of arrays, which would compare lists.
APPLICABLE: Mapping[FieldType, frozenset[str]] = {
    FieldType.STRING: _ANY | {"pattern", "minLength", "maxLength"},
    FieldType.INTEGER: _ORDERED,
    FieldType.NUMBER: _ORDERED,
    FieldType.BOOLEAN: _ANY,
    FieldType.DATE: _ORDERED,
    FieldType.TIME: _ORDERED,
    FieldType.DATETIME: _ORDERED,
    FieldType.ARRAY: frozenset({"required", "minLength", "maxLength"}),
}

_OPTIONS: Any = re2.Options()
_OPTIONS.log_errors = False  # else the C++ library writes to stderr


def read_constraints(section: Section, kind: FieldType | None, missing: frozenset[str]) -> Constraints:
    """The constraints of a field of this type; None is a type that was itself a mistake, so nothing is cast."""
    read = Constraints(
        required=section.flag("required"),
        unique=section.flag("unique"),
        enum=_enum(section, kind, missing),
        pattern=_pattern(section),
        minimum=_bound(section, "minimum", kind),
        maximum=_bound(section, "maximum", kind),
        min_length=section.count("minLength"),
        max_length=section.count("maxLength", least=1),
    )
    section.close()
    if kind is not None:
        _refuse_inapplicable(section, kind)
        _refuse_impossible(section, read, kind)
    return read


def objection(field: Field, text: str, *, shape: bool = True) -> str | None:
    """Why a cell with this text would be refused by the field's own rules; None if it would not.

    `shape` asks for the format as well, as far as it can be told without the column checks.
    """
    try:
        value = cast(field.type, text)
    except ValueError as error:
        return f"'{text[:40]}' is not of the type {field.type}: {error}"
    rule = field.constraints
    length = len(text.split(field.delimiter)) if field.type is FieldType.ARRAY else len(text)
    form = FORMATS.get(field.type, {}).get(field.format)
    if shape and form is not None and not form.fullmatch(text):
        return f"'{text[:40]}' does not look like the format '{field.format}'"
    if rule.enum is not None and value not in {cast(field.type, each) for each in rule.enum}:
        return f"'{text[:40]}' is not in the enum"
    if rule.pattern is not None and not re2.compile(rule.pattern, options=_OPTIONS).fullmatch(text):
        return f"'{text[:40]}' does not match the pattern"
    if rule.minimum is not None and _less(value, rule.minimum):
        return f"{text} is below the minimum"
    if rule.maximum is not None and _less(rule.maximum, value):
        return f"{text} is above the maximum"
    if rule.min_length is not None and length < rule.min_length:
        return f"'{text[:40]}' is shorter than minLength"
    if rule.max_length is not None and length > rule.max_length:
        return f"'{text[:40]}' is longer than maxLength"
    return None


def _enum(section: Section, kind: FieldType | None, missing: frozenset[str]) -> tuple[str, ...] | None:
    items = section.items("enum")
    if kind is None or "enum" not in APPLICABLE[kind]:
        return None
    texts: list[str] = []
    seen: set[Scalar] = set()
    for item in items:
        try:
            text = cell_text(item, kind)
            value = cast(kind, text)
        except ValueError as error:
            section.wrong("enum", f"expected values of the type {kind}: {error}", item.line)
            continue
        if text in missing:
            section.wrong("enum", f"'{text}' is one of the missingValues, so no cell can have it", item.line)
        elif value in seen:
            section.wrong("enum", f"'{text[:40]}' is given twice", item.line)
        else:
            seen.add(value)
            texts.append(text)
    return tuple(texts) or None


def _pattern(section: Section) -> str | None:
    pattern = section.text("pattern")
    if not pattern:
        return None
    try:
        re2.compile(pattern, options=_OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        section.wrong("pattern", f"not an RE2 regular expression: {reason}")
        return None
    return pattern


def _bound(section: Section, name: str, kind: FieldType | None) -> Scalar | None:
    node = section.node(name)
    if node is None or kind is None or name not in APPLICABLE[kind]:
        return None
    try:
        return cast(kind, cell_text(node, kind))
    except ValueError as error:
        section.wrong(name, f"expected the type {kind}: {error}")
        return None


def _refuse_inapplicable(section: Section, kind: FieldType) -> None:
    for name in _ORDERED | APPLICABLE[FieldType.STRING]:
        if name not in APPLICABLE[kind] and section.has(name):
            section.wrong(name, f"does not apply to the type {kind}, which takes {one_of(sorted(APPLICABLE[kind]))}")


def _refuse_impossible(section: Section, read: Constraints, kind: FieldType) -> None:
    if read.minimum is not None and read.maximum is not None and _less(read.maximum, read.minimum):
        section.wrong("minimum", "is greater than maximum")
    if read.min_length is not None and read.max_length is not None and read.max_length < read.min_length:
        section.wrong("minLength", "is greater than maxLength")
    for text in read.enum or ():
        if reason := objection(Field(name="", type=kind, constraints=read), text, shape=False):
            section.wrong("enum", f"can never be used: {reason}")


def _less(one: Any, other: Any) -> bool:
    """Bounds and values of one field have one type; the union of all types does not show it."""
    return bool(one < other)
