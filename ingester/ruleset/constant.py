"""Constants written in rule files (bounds, enum values, defaults, examples): YAML value → the text of a cell.

The text is what a customer would write in a cell of that field. A YAML text is taken as such a cell; a YAML number,
boolean, list or mapping is plain, and written as the field's options say. What the text means is `cast`'s business.
"""

from __future__ import annotations

import json
from decimal import Decimal

from ingester.ruleset.cast import cast
from ingester.ruleset.document import BareDate, Node
from ingester.ruleset.model import Field, FieldType

_NUMERIC = frozenset({FieldType.INTEGER, FieldType.NUMBER, FieldType.YEAR})
_TEXT = frozenset({FieldType.STRING, FieldType.ANY})
_JSON = frozenset({FieldType.OBJECT, FieldType.GEOJSON})


def cell_text(node: Node, field: Field) -> str:
    """The cell a customer would write for this YAML value; ValueError, whose message is a hint, if there is none."""
    match node.value:
        case list() if field.type in {FieldType.ARRAY, FieldType.LIST}:
            return _joined(node.value, field.delimiter)
        case _ if field.type is FieldType.ARRAY:
            raise ValueError("write a list: [one, two]")
        case list() if field.type is FieldType.GEOPOINT and field.format != "object":
            if any(isinstance(item.value, str) for item in node.value):
                raise ValueError("write the two numbers without quotes")
            text = json_text(node)
            return text if field.format == "array" else text.strip("[]")
        case dict() if field.type in _JSON:
            return json_text(node)
        case BareDate() if field.type in _TEXT:
            raise ValueError("put it in quotes")
        case str():
            return node.value
        case bool() | int() | Decimal() if field.type in _TEXT:
            raise ValueError("put it in quotes")
        case bool() if field.type is FieldType.BOOLEAN:
            return field.true_values[0] if node.value else field.false_values[0]
        case bool() if field.type is not FieldType.BOOLEAN:
            raise ValueError("not true or false")
        case int() | Decimal() if field.type in _NUMERIC:
            plain = f"{node.value:f}" if isinstance(node.value, Decimal) else str(node.value)
            return plain.replace(".", field.decimal_char)
        case int() | Decimal():
            raise ValueError("put it in quotes")
    raise ValueError("write a single value")


def accepted_text(node: Node, field: Field) -> str:
    """The same for `accepted`, where a text is a cell whatever the type: that is what the list is about."""
    if isinstance(node.value, str) and not isinstance(node.value, BareDate):
        return node.value
    return cell_text(node, field)


def is_plain(node: Node, field: Field) -> bool:
    """Whether a number means the same to readers that know none of the field's options, as some of Table Schema."""
    if not isinstance(node.value, str) or field.type not in {FieldType.INTEGER, FieldType.NUMBER}:
        return True
    try:
        cast(Field(name="", type=field.type), node.value)
    except ValueError:
        return False
    return True


def members_text(node: Node, field: Field) -> str:
    """The example of a family, a mapping of member → cell, as JSON; ValueError, whose message is a hint, if it is none.

    Only of the type `any` can it be a mapping, which no other type's readers would take; else it is one cell, of a
    member called `example`.
    """
    if not isinstance(node.value, dict):
        return json.dumps({"example": cell_text(node, field)}, ensure_ascii=False)
    if field.type is not FieldType.ANY:
        raise ValueError(f"write one cell of the type {field.type}; a mapping of names to cells needs the type any")
    if not node.value or any(not name.strip() for name in node.value):
        raise ValueError("write names and cells: {tier: gold}")
    return json.dumps({name: cell_text(cell, field) for name, cell in node.value.items()}, ensure_ascii=False)


def json_text(node: Node) -> str:
    """The node as JSON; numbers are written as they stand."""
    match node.value:
        case dict():
            return (
                "{"
                + ", ".join(
                    f"{json.dumps(key, ensure_ascii=False)}: {json_text(each)}" for key, each in node.value.items()
                )
                + "}"
            )
        case list():
            return "[" + ", ".join(map(json_text, node.value)) + "]"
        case Decimal():
            return f"{node.value:f}"
        case BareDate():
            raise ValueError(f"put {node.value} in quotes")
    return json.dumps(node.value, ensure_ascii=False)


def _joined(items: list[Node], delimiter: str) -> str:
    texts = [cell_text(item, Field(name="")) for item in items]
    if any(not text or delimiter in text for text in texts):
        raise ValueError(f"its items may not be empty or hold the delimiter {delimiter}")
    return delimiter.join(texts)
