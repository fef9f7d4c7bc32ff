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


def objects(members: Sequence[Member]) -> pa.StringArray:
    """A JSON object for each row, of the members that are not null, by name; null where all are."""
    parts = [
        pc.binary_join_element_wise(write(member.name) + ":", json_values(member.values, member.type), "")
        for member in sorted(members, key=lambda member: member.name)
    ]
    inner = pc.binary_join_element_wise(*parts, ",", null_handling="skip") if len(parts) > 1 else parts[0]
    whole = pc.binary_join_element_wise("{", inner, "}", "")
    return pc.if_else(pc.equal(whole, "{}"), pa.scalar(None, pa.string()), whole)


def json_values(values: pa.Array, kind: FieldType) -> pa.StringArray:
    """A typed column as JSON values; null for null. Datetimes are RFC 3339 in UTC."""
    if kind in _JSON:
        return values if pa.types.is_string(values.type) else pc.cast(values, pa.string())
    if pa.types.is_string(values.type):
        return quoted(values)
    text = pc.cast(values, pa.string())
    if kind is FieldType.DATETIME:
        text = pc.replace_substring(text, " ", "T", max_replacements=1)
    if kind is not FieldType.DATE:
        text = pc.replace_substring_regex(text, r"\.?0+(Z?)\z", r"\1")
    return quoted(text)
