"""Several columns as one of canonical JSON objects: the columns of a family, and all of an entity's extra fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.canonical import quoted, write
from ingester.ruleset.model import FieldType

#: Types whose canonical text is JSON already.
_JSON = frozenset(
    {FieldType.NUMBER, FieldType.ARRAY, FieldType.LIST, FieldType.OBJECT, FieldType.GEOJSON, FieldType.INTEGER}
    | {FieldType.YEAR, FieldType.BOOLEAN}
)


@dataclass(frozen=True, slots=True)
class Member:
    """One of the columns: typed values under a name."""

    name: str
    type: FieldType
    values: pa.Array


def objects(members: Sequence[Member], *, with_nulls: bool = False) -> pa.StringArray:
    """A JSON object for each row, of the members that are not null, by name; null where all are.

    `with_nulls` keeps the others as JSON nulls: such a row says that they shall go.
    """
    parts = []
    for member in sorted(members, key=lambda member: member.name):
        before = f",{write(member.name)}:"
        values = json_values(member.values, member.type, before=before)
        parts.append(pc.fill_null(values, f"{before}null") if with_nulls else values)
    # Not `null_handling="skip"`: Arrow then leaves out the row that has nothing but nulls.
    inner = pc.binary_join_element_wise(*parts, "}", "", null_handling="replace", null_replacement="")
    # The first comma of each row becomes the brace that opens.
    whole = pc.binary_replace_slice(inner, start=0, stop=1, replacement="{")
    return pc.if_else(pc.equal(inner, "}"), pa.scalar(None, pa.string()), whole)


def json_values(values: pa.Array, kind: FieldType, before: str = "") -> pa.StringArray:
    """A typed column as JSON values after some text; null for null. Datetimes are RFC 3339 in UTC."""
    is_text = pa.types.is_string(values.type)
    text = values if is_text else pc.cast(values, pa.string())
    if kind in _JSON:
        return pc.binary_join_element_wise(before, text, "") if before else text
    if kind is FieldType.DATETIME:
        text = pc.replace_substring(text, " ", "T", max_replacements=1)
    if kind in {FieldType.TIME, FieldType.DATETIME}:
        text = pc.replace_substring_regex(text, r"\.?0+(Z?)\z", r"\1")
    return quoted(text, before)
