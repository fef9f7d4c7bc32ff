"""A field's `constraints`: which exist for which type, that they hold together, and whether a constant meets them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import re2

from ingester.ruleset.cast import STRING_FORMATS, cast, size
from ingester.ruleset.constant import cell_text
from ingester.ruleset.mistake import one_of
from ingester.ruleset.model import Constraints, Field, FieldType, Scalar
from ingester.ruleset.normal import normalised
from ingester.ruleset.section import Section

_REQUIRED = frozenset({"required"})
_ANY = _REQUIRED | {"unique", "enum"}
_ORDERED = _ANY | {"minimum", "maximum"}
_SIZED = _REQUIRED | {"minLength", "maxLength"}

#: As in the Table Schema standard, but `unique` and `enum` of what has parts, which would compare those.
APPLICABLE: Mapping[FieldType, frozenset[str]] = {
    FieldType.STRING: _ANY | _SIZED | {"pattern"},
    FieldType.INTEGER: _ORDERED,
    FieldType.NUMBER: _ORDERED,
    FieldType.BOOLEAN: _ANY,
    FieldType.DATE: _ORDERED,
    FieldType.TIME: _ORDERED,
    FieldType.DATETIME: _ORDERED,
    FieldType.YEAR: _ORDERED,
    FieldType.YEARMONTH: _ORDERED,
    FieldType.DURATION: _ANY,
    FieldType.GEOPOINT: _ANY,
    FieldType.ANY: _ANY,
    FieldType.ARRAY: _SIZED,
    FieldType.LIST: _SIZED,
    FieldType.OBJECT: _SIZED,
    FieldType.GEOJSON: _REQUIRED,
}
#: Of the cells of a family, whose columns may be there or not.
_OF_FAMILIES = frozenset({"enum", "pattern", "minimum", "maximum", "minLength", "maxLength"})

_OPTIONS: Any = re2.Options()
_OPTIONS.log_errors = False  # else the C++ library writes to stderr


def read_constraints(section: Section, form: Field, missing: frozenset[str], *, typed: bool = True) -> Constraints:
    """The constraints of a field of this form: name, type, options and normalisation.

    Not `typed` if the type was itself a mistake, so nothing is cast.
    """
    read = Constraints(
        required=section.flag("required"),
        unique=section.flag("unique"),
        enum=_enum(section, form, missing, typed=typed),
        pattern=_pattern(section),
        minimum=_bound(section, "minimum", form, typed=typed),
        maximum=_bound(section, "maximum", form, typed=typed),
        min_length=section.count("minLength"),
        max_length=section.count("maxLength", least=1),
    )
    section.close()
    if typed:
        _refuse_inapplicable(section, form)
        refuse_impossible(section, read, form)
    return read


def objection(field: Field, text: str, *, normal: bool = False, strict: bool = True) -> str | None:
    """Why a cell with this text would be refused by the field's own rules; None if it would not.

    `strict` asks for a cell that any reader of Table Schema understands; `normal` lets the cell be normalised first.
    What takes the column checks to tell (which phone, which of the `any` dates) passes here: `rules check` asks them.
    """
    if normal:
        told = normalised(text, field.normalise)
        if told is None:
            return None
        text = told
    try:
        value = cast(field, text, strict=strict)
    except ValueError as error:
        if not strict and field.format == "any":
            return None
        return f"'{text[:40]}' is not of the type {field.type}: {error}"
    return _misshapen(field, text) or _violation(field, text, value)


def _misshapen(field: Field, text: str) -> str | None:
    form = STRING_FORMATS.get(field.format) if field.type is FieldType.STRING else None
    if form is None or form.fullmatch(text):
        return None
    return f"'{text[:40]}' does not look like the format '{field.format}'"


def _violation(field: Field, text: str, value: Scalar) -> str | None:
    rule = field.constraints
    if rule.enum is not None and value not in {cast(field, each) for each in rule.enum}:
        return f"'{text[:40]}' is not in the enum"
    if rule.pattern is not None and not re2.compile(rule.pattern, options=_OPTIONS).fullmatch(text):
        return f"'{text[:40]}' does not match the pattern"
    if rule.minimum is not None and _less(value, rule.minimum):
        return f"{text} is below the minimum"
    if rule.maximum is not None and _less(rule.maximum, value):
        return f"{text} is above the maximum"
    if rule.min_length is not None and size(field, text) < rule.min_length:
        return f"'{text[:40]}' is shorter than minLength"
    if rule.max_length is not None and size(field, text) > rule.max_length:
        return f"'{text[:40]}' is longer than maxLength"
    return None


def _enum(section: Section, form: Field, missing: frozenset[str], *, typed: bool) -> tuple[str, ...] | None:
    items = section.items("enum")
    if not typed or "enum" not in APPLICABLE[form.type]:
        return None
    texts: list[str] = []
    seen: set[Scalar] = set()
    for item in items:
        try:
            text = cell_text(item, form)
            value = cast(form, text)
        except ValueError as error:
            section.wrong("enum", f"expected values of the type {form.type}: {error}", item.line)
            continue
        if text in missing:
            section.wrong("enum", f"'{text}' is one of the missingValues, so no cell can have it", item.line)
        elif (normal := normalised(text, form.normalise)) not in {text, None}:
            section.wrong("enum", f"can never be used: '{text[:40]}' is normalised to '{normal}'", item.line)
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


def _bound(section: Section, name: str, form: Field, *, typed: bool) -> Scalar | None:
    node = section.node(name)
    if node is None or not typed or name not in APPLICABLE[form.type]:
        return None
    try:
        return cast(form, cell_text(node, form))
    except ValueError as error:
        section.wrong(name, f"expected the type {form.type}: {error}")
        return None


def _refuse_inapplicable(section: Section, form: Field) -> None:
    takes = APPLICABLE[form.type]
    for name in _ORDERED | APPLICABLE[FieldType.STRING]:
        if name not in takes and section.has(name):
            section.wrong(name, f"does not apply to the type {form.type}, which takes {one_of(sorted(takes))}")
        elif form.is_family and name not in _OF_FAMILIES and section.has(name):
            section.wrong(name, "does not apply to a family of columns, any of which may be left out")


def refuse_impossible(section: Section, read: Constraints, form: Field) -> None:
    """Report constraints that no cell could meet together."""
    if read.minimum is not None and read.maximum is not None and _less(read.maximum, read.minimum):
        section.wrong("minimum", "is greater than maximum")
    if read.min_length is not None and read.max_length is not None and read.max_length < read.min_length:
        section.wrong("minLength", "is greater than maxLength")
    for text in read.enum or ():
        if reason := objection(dataclasses.replace(form, constraints=read), text):
            section.wrong("enum", f"can never be used: {reason}")


def _less(one: Any, other: Any) -> bool:
    """Bounds and values of one field have one type; the union of all types does not show it."""
    return bool(one < other)
