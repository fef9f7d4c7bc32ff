"""The keys of a field that say how cells of its type are written: format, delimiter, item type, words and signs."""

from __future__ import annotations

from collections.abc import Mapping

from ingester.ruleset import strptime
from ingester.ruleset.cast import STRING_FORMATS
from ingester.ruleset.mistake import one_of
from ingester.ruleset.model import Field, FieldType
from ingester.ruleset.section import Section

_TEMPORAL = frozenset({FieldType.DATE, FieldType.TIME, FieldType.DATETIME})
#: The formats of each type beside `default`.
FORMATS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.STRING: tuple(STRING_FORMATS),
    FieldType.GEOPOINT: ("array", "object"),
    **dict.fromkeys(_TEMPORAL, ("any",)),
}
#: Which types each option is for.
OPTIONS: Mapping[str, tuple[FieldType, ...]] = {
    "delimiter": (FieldType.ARRAY, FieldType.LIST),
    "itemType": (FieldType.LIST,),
    "trueValues": (FieldType.BOOLEAN,),
    "falseValues": (FieldType.BOOLEAN,),
    "decimalChar": (FieldType.NUMBER,),
    "groupChar": (FieldType.INTEGER, FieldType.NUMBER),
    "bareNumber": (FieldType.INTEGER, FieldType.NUMBER),
}
_DELIMITERS = "|;,/"
_ITEM_TYPES = tuple(FieldType(each) for each in ("string", "integer", "number", "boolean", "date", "datetime", "time"))
_DEFAULT = Field(name="")


def read_options(section: Section, name: str, kind: FieldType | None, missing: frozenset[str]) -> Field:
    """A field that has only its name, its type and the options of the type; a type that was a mistake has none."""
    options = {option: section.has(option) for option in OPTIONS}
    for option, types in OPTIONS.items():
        if options[option] and kind not in {*types, None}:
            section.wrong(option, f"does not apply to the type {kind}, only to {one_of(types)}")
    delimiter = _delimiter(section, "," if kind is FieldType.LIST else "|")
    true_values = _words(section, "trueValues", _DEFAULT.true_values, missing)
    false_values = _words(section, "falseValues", _DEFAULT.false_values, missing)
    if both := sorted({*true_values} & {*false_values}):
        section.wrong("falseValues" if options["falseValues"] else "trueValues", f"'{both[0]}' is true and false")
    decimal_char, group_char = _sign(section, "decimalChar", "."), _sign(section, "groupChar", "", "'")
    if decimal_char == group_char:
        other = "decimalChar" if options["decimalChar"] else "groupChar"
        section.wrong(other, f"'{decimal_char}' cannot both begin the decimals and group the digits")
        decimal_char, group_char = ".", ""
    return Field(
        name=name,
        type=kind or FieldType.STRING,
        format=_format(section, kind),
        delimiter=delimiter,
        item_type=FieldType(section.choice("itemType", _ITEM_TYPES, FieldType.STRING)),
        true_values=true_values,
        false_values=false_values,
        decimal_char=decimal_char,
        group_char=group_char,
        bare_number=section.flag("bareNumber", default=True),
    )


def _format(section: Section, kind: FieldType | None) -> str:
    name = section.text("format", "default")
    known = ("default", *FORMATS.get(kind, ())) if kind is not None else (name,)
    if name in known:
        return name if kind is not None else "default"
    if kind in _TEMPORAL and "%" in name:
        try:
            strptime.parse(name, kind)
        except ValueError as error:
            section.wrong("format", f"'{name[:40]}' cannot be read: {error}")
            return "default"
        return name
    pattern = " or a pattern such as %d/%m/%Y" if kind in _TEMPORAL else ""
    section.wrong("format", f"unknown format '{name}' of the type {kind}, expected {one_of(known)}{pattern}")
    return "default"


def _delimiter(section: Section, default: str) -> str:
    delimiter = section.text("delimiter", default)
    if len(delimiter) == 1 and delimiter in _DELIMITERS:
        return delimiter
    section.wrong("delimiter", f"expected one of {' '.join(_DELIMITERS)}")
    return default


def _words(section: Section, name: str, default: tuple[str, ...], missing: frozenset[str]) -> tuple[str, ...]:
    found: list[str] = []
    for word, line in section.texts(name):
        if word in found:
            section.wrong(name, f"'{word}' is given twice", line)
        elif word in missing:
            section.wrong(name, f"'{word}' is one of the missingValues, so no cell can have it", line)
        else:
            found.append(word)
    return tuple(found) or default


def _sign(section: Section, name: str, default: str, further: str = "") -> str:
    """One character that is no part of a number by itself, nor a quote unless it is one of `further`."""
    node = section.node(name)
    if node is None:
        return default
    if (
        isinstance(node.value, str)
        and len(node.value) == 1
        and not node.value.isalnum()
        and (node.value in further or node.value not in "+-\"'\0")
    ):
        return node.value
    section.wrong(name, "expected one character, such as ',' or '.'")
    return default
