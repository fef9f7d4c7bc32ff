"""Which cast a field's cells need, and the Arrow type that comes of it. The casts have modules of their own.

`cast_of` is for constants and the items of lists; `reading_of` for cells of files, which where the rule says nothing of
it may be written as people do.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from ingester.checks.any_boolean import AnyBooleanCast
from ingester.checks.any_date import AnyDateCast, AnyDatetimeCast, AnyTimeCast
from ingester.checks.any_number import AnyNumberCast
from ingester.checks.array import ArrayCast, cast_object
from ingester.checks.boolean import BooleanCast
from ingester.checks.duration import cast_duration
from ingester.checks.fault import Cast, Typed
from ingester.checks.geojson import cast_geojson
from ingester.checks.geopoint import GeopointCast
from ingester.checks.list import ListCast
from ingester.checks.number import cast_integer, cast_number
from ingester.checks.strptime import PatternCast
from ingester.checks.style import Style
from ingester.checks.temporal import DatetimeCast, cast_date, cast_time
from ingester.checks.text import StringCast
from ingester.checks.written_number import WrittenNumberCast
from ingester.checks.year import cast_year, cast_yearmonth
from ingester.ruleset.model import Field, FieldType

#: Text with nulls for missing cells, and how its column is written → typed values.
Reading = Callable[[pa.StringArray, Style], Typed]

_COLUMN_TYPES = {
    FieldType.INTEGER: pa.int64(),
    FieldType.YEAR: pa.int64(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.DATE: pa.date32(),
    FieldType.TIME: pa.time64("us"),
    FieldType.DATETIME: pa.timestamp("us", "UTC"),
}


def column_type(field: Field) -> pa.DataType:
    """The Arrow type of a checked column: canonical text for what Arrow has no exact type for; families are objects."""
    return pa.string() if field.is_family or field.is_extra else cast_type(field)


def cast_type(field: Field) -> pa.DataType:
    """The Arrow type that the field's cells are cast to."""
    return _COLUMN_TYPES.get(field.type, pa.string())


def cast_of(field: Field, timezone: str) -> Cast:
    """The cast of a field's cells. Raises ValueError for a format that cells cannot be read by."""
    match field.type:
        case FieldType.STRING:
            return StringCast(field.format)
        case FieldType.ANY:
            return StringCast("default")
        case FieldType.INTEGER | FieldType.NUMBER:
            return _number(field)
        case FieldType.BOOLEAN:
            return BooleanCast(field)
        case FieldType.DATE | FieldType.TIME | FieldType.DATETIME:
            return _temporal(field, timezone)
        case FieldType.YEAR:
            return cast_year
        case FieldType.YEARMONTH:
            return cast_yearmonth
        case FieldType.DURATION:
            return cast_duration
        case FieldType.GEOPOINT:
            return GeopointCast(field.format)
        case FieldType.ARRAY:
            return ArrayCast(field.delimiter)
        case FieldType.LIST:
            items = Field(name=field.name, type=field.item_type)
            return ListCast(field.delimiter, field.item_type, cast_of(items, timezone))
        case FieldType.OBJECT:
            return cast_object
        case FieldType.GEOJSON:
            return cast_geojson


def reading_of(field: Field, timezone: str) -> Reading:
    """The cast of a field's cells by the style of their column, which fields with options of their own do not ask."""
    if is_free(field):
        match field.type:
            case FieldType.INTEGER | FieldType.NUMBER:
                return AnyNumberCast(field.type)
            case FieldType.BOOLEAN:
                return AnyBooleanCast(field)
            case FieldType.DATE if field.format == "default":
                return AnyDateCast("date. Expected YYYY-MM-DD", mixed=False)
            case FieldType.DATE:
                return AnyDateCast()
            case FieldType.TIME:
                return AnyTimeCast()
            case FieldType.DATETIME:
                return AnyDatetimeCast(timezone, mixed=field.format == "any")
    cast = cast_of(field, timezone)
    return lambda text, _: cast(text)


def certain_reading_of(field: Field, timezone: str) -> Reading | None:
    """The cast of cells that had a type where they came from; None for fields whose cells have but one form."""
    if field.type not in _COLUMN_TYPES and field.type is not FieldType.NUMBER:
        return None
    return reading_of(Field(name=field.name, type=field.type), timezone)


def is_free(field: Field) -> bool:
    """Whether cells of the field have a type, and the rule does not say how they are written."""
    match field.type:
        case FieldType.INTEGER | FieldType.NUMBER:
            return field.decimal_char == "." and not field.group_char and field.bare_number
        case FieldType.BOOLEAN:
            return (field.true_values, field.false_values) == (_ANY.true_values, _ANY.false_values)
        case FieldType.DATE | FieldType.TIME | FieldType.DATETIME:
            return "%" not in field.format
    return field.type in {FieldType.YEAR, FieldType.YEARMONTH, FieldType.DURATION}


_ANY = Field(name="")


def _number(field: Field) -> Cast:
    plain = cast_integer if field.type is FieldType.INTEGER else cast_number
    if field.decimal_char == "." and not field.group_char and field.bare_number:
        return plain
    return WrittenNumberCast(field, plain)


def _temporal(field: Field, timezone: str) -> Cast:
    match field.type, field.format:
        case FieldType.DATE, "default":
            return cast_date
        case FieldType.DATE, "any":
            return AnyDateCast()
        case FieldType.TIME, "default":
            return cast_time
        case FieldType.TIME, "any":
            return AnyTimeCast()
        case FieldType.DATETIME, "default":
            return DatetimeCast(timezone)
        case FieldType.DATETIME, "any":
            return AnyDatetimeCast(timezone)
    return PatternCast(field.format, field.type, timezone)
