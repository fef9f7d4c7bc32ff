"""The typed value of one constant of a rule file, from the text of its cell. Strict, one at a time, free of Arrow.

Casting the cells of files is the work of `ingester.checks`, whole columns at a time. Where a type can be written in
several ways, `strict` asks for the one that any reader of Table Schema understands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NoReturn

from ingester.ruleset import strptime
from ingester.ruleset.document import MAX_DIGITS
from ingester.ruleset.geojson import has_height, is_geojson
from ingester.ruleset.model import Field, FieldType, Scalar

_Cast = Callable[[Field, str], Scalar]

_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
#: Of a number that is not bare: nothing that could change its value.
_AROUND = re.compile(r"^[^\d+\-(.,\u2010-\u2015\u2212]+|[^\d+\-(.,\u2010-\u2015\u2212]+$")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}")
_LOOSE_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")
_OFFSET = r"(Z|[-+][0-9]{2}:[0-9]{2})?"
_DATETIME = re.compile(rf"{_DATE.pattern}T{_TIME.pattern}(\.[0-9]{{1,6}})?{_OFFSET}")
_LOOSE_DATETIME = re.compile(rf"{_DATE.pattern}[T ]{_LOOSE_TIME.pattern}{_OFFSET}")
_YEAR = re.compile(r"[0-9]{4}")
_LOOSE_YEAR = re.compile(r"-?[0-9]{4,9}")
_YEARMONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
#: ISO 8601-1 section 5.5.2, as ordered: only the seconds may have a fraction.
_DURATION = re.compile(
    r"P(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_URI = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"

#: The formats of a string beside `default`, and what a constant of each looks like.
STRING_FORMATS: Mapping[str, re.Pattern[str]] = {
    "email": re.compile(rf"(?=.{{1,64}}@){_ATOM}(\.{_ATOM})*@({_LABEL}\.)+[A-Za-z]{{2,63}}"),
    "uri": re.compile(
        rf"[A-Za-z][A-Za-z0-9+.-]*:(?=.)(?://(?:{_URI}+@)?[A-Za-z0-9._~-]+(?::[0-9]{{1,5}})?(?=[/?#]|\Z)|(?!//))"
        rf"(?:[:@/]|{_URI})*(?:\?(?:[:@/?]|{_URI})*)?(?:#(?:[:@/?]|{_URI})*)?"
    ),
    "uuid": re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    "binary": re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"),
}


def cast(field: Field, text: str, *, strict: bool = True) -> Scalar:
    """The typed value of a cell; ValueError, whose message is a hint, if it has none. Datetimes come out in UTC.

    A yearmonth, a duration and a geopoint come out as text, a list, an array or an object as canonical JSON.
    """
    if field.type in _LOOSER:
        return _LOOSER[field.type](field, text, strict=strict)
    return _CASTS[field.type](field, text)


def size(field: Field, text: str) -> int:
    """What `minLength` and `maxLength` count: characters, items or properties of a cell that has its type."""
    match field.type:
        case FieldType.ARRAY | FieldType.LIST | FieldType.OBJECT:
            return len(json.loads(str(cast(field, text))))
    return len(text)


def _matched(pattern: re.Pattern[str], text: str, hint: str) -> str:
    if not pattern.fullmatch(text) or len(text) > MAX_DIGITS:
        raise ValueError(hint)
    return text


def _string(_: Field, text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


def _plain(field: Field, text: str) -> str:
    """A number without what its field's options allow around it."""
    if not field.bare_number:
        text = _AROUND.sub("", text)
    if field.group_char:
        text = text.replace(field.group_char, "")
    if field.decimal_char != ".":
        if "." in text:
            raise ValueError(f"its decimalChar is {field.decimal_char}")
        text = text.replace(field.decimal_char, ".")
    return text


def _integer(field: Field, text: str) -> int:
    value = int(_matched(_INTEGER, _plain(field, text), "write digits only"))
    if not -(2**63) <= value < 2**63:
        raise ValueError("it does not fit in 64 bits")
    return value


def _number(field: Field, text: str) -> Decimal:
    return Decimal(_matched(_NUMBER, _plain(field, text), "write a plain number such as 12.50"))


def _boolean(field: Field, text: str) -> bool:
    if text in field.true_values:
        return True
    if text not in field.false_values:
        raise ValueError(f"write {field.true_values[0]} or {field.false_values[0]}")
    return False


def _date(field: Field, text: str, *, strict: bool) -> date:
    if "%" in field.format:
        return strptime.parse(field.format, field.type).read(text, strict=strict).date()
    return date.fromisoformat(_matched(_DATE, text, "write YYYY-MM-DD"))


def _time(field: Field, text: str, *, strict: bool) -> time:
    if "%" in field.format:
        return strptime.parse(field.format, field.type).read(text, strict=strict).time()
    return time.fromisoformat(_matched(_TIME if strict else _LOOSE_TIME, text, "write HH:MM:SS"))


def _datetime(field: Field, text: str, *, strict: bool) -> datetime:
    if "%" in field.format:
        value = strptime.parse(field.format, field.type).read(text, strict=strict)
    else:
        pattern = _DATETIME if strict else _LOOSE_DATETIME
        value = datetime.fromisoformat(_matched(pattern, text, "write YYYY-MM-DDTHH:MM:SSZ"))
    try:
        # Table Schema's own default: no offset is UTC. Cells differ, they follow the feed's timezone.
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("it is out of range") from None


def _year(_: Field, text: str, *, strict: bool) -> int:
    return int(_matched(_YEAR if strict else _LOOSE_YEAR, text, "write four digits"))


def _yearmonth(_: Field, text: str) -> str:
    return _matched(_YEARMONTH, text, "write YYYY-MM")


def _duration(_: Field, text: str) -> str:
    return _matched(_DURATION, text, "write it as ISO 8601 does, such as P1DT2H30M")


def _geopoint(field: Field, text: str) -> str:
    match field.format:
        case "array":
            parts = _json(text, list, "write a JSON array, [lon, lat]")
        case "object":
            found = _json(text, dict, 'write a JSON object, {"lon": 0, "lat": 0}')
            if found.keys() != {"lon", "lat"}:
                raise ValueError("it has the keys lon and lat")
            parts = [found["lon"], found["lat"]]
        case _:
            parts = [part.strip(" ") for part in text.split(",")]
    texts = [str(part) for part in parts if isinstance(part, str | int | Decimal) and not isinstance(part, bool)]
    if len(parts) != 2 or not all(map(_NUMBER.fullmatch, texts)) or len(texts) != 2:
        raise ValueError("write the longitude, then the latitude")
    lon, lat = map(Decimal, texts)
    if abs(lon) > 180 or abs(lat) > 90:
        raise ValueError("a longitude is -180 to 180, a latitude -90 to 90")
    return f"{lon:f},{lat:f}"


def _array(field: Field, text: str) -> str:
    if text.lstrip().startswith("["):
        return json.dumps(_json(text, list, "write a JSON array"), default=str)
    return json.dumps(text.split(field.delimiter))


def _list(field: Field, text: str) -> str:
    item = Field(name="", type=field.item_type)
    items = [part.strip(" ") for part in text.split(field.delimiter)]
    for each in items:
        cast(item, each)
    return json.dumps(items)


def _object(_: Field, text: str) -> str:
    return json.dumps(_json(text, dict, 'write a JSON object, {"key": "value"}'), default=str)


def _geojson(_: Field, text: str, *, strict: bool) -> str:
    found = _json(text, dict, "write a GeoJSON object", parse_float=float)
    if not is_geojson(found):
        raise ValueError("it is no GeoJSON object (RFC 7946)")
    if strict and has_height(found):
        raise ValueError("leave out the heights, which not every reader takes")
    return json.dumps(found)


def _json(text: str, kind: type, hint: str, parse_float: Callable[[str], Any] = Decimal) -> Any:
    try:
        found = json.loads(text, parse_float=parse_float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError(hint) from None
    if not isinstance(found, kind):
        raise ValueError(hint)  # noqa: TRY004 (every wrong cell is a ValueError)
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_CASTS: Mapping[FieldType, _Cast] = {
    FieldType.STRING: _string,
    FieldType.ANY: _string,
    FieldType.INTEGER: _integer,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.YEARMONTH: _yearmonth,
    FieldType.DURATION: _duration,
    FieldType.GEOPOINT: _geopoint,
    FieldType.ARRAY: _array,
    FieldType.LIST: _list,
    FieldType.OBJECT: _object,
}
#: Those that can be written in several ways.
_LOOSER: Mapping[FieldType, Callable[..., Scalar]] = {
    FieldType.DATE: _date,
    FieldType.TIME: _time,
    FieldType.DATETIME: _datetime,
    FieldType.YEAR: _year,
    FieldType.GEOJSON: _geojson,
}
