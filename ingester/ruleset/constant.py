"""Constants written in rule files (bounds, enum values, defaults, examples): YAML value → cell text → typed value.

The text is what a customer would write in a cell. Casting the cells themselves is the work of `ingester.checks`,
whole columns at a time. Here only the forms of the standard's `default` format are accepted, the strictest of those
there, so that any reader of Table Schema understands the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal

from ingester.ruleset.document import MAX_DIGITS, Node
from ingester.ruleset.model import FieldType, Scalar

_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[-+][0-9]{2}:[0-9]{2})?", re.ASCII
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def cell_text(node: Node, kind: FieldType, delimiter: str = "|") -> str:
    """The cell a customer would write for this YAML value; ValueError, whose message is a hint, if there is none."""
    match node.value:
        case list() if kind is FieldType.ARRAY:
            items = [cell_text(item, FieldType.STRING) for item in node.value]
            if any(not item or delimiter in item for item in items):
                raise ValueError(f"its items may not be empty or hold the delimiter {delimiter}")
            return delimiter.join(items)
        case _ if kind is FieldType.ARRAY:
            raise ValueError("write a list: [one, two]")
        case str():
            return node.value
        case bool() | int() | Decimal() if kind is FieldType.STRING:
            raise ValueError("put it in quotes")
        case bool():
            return str(node.value).lower()
        case int() | Decimal():
            return f"{node.value:f}" if isinstance(node.value, Decimal) else str(node.value)
    raise ValueError("write a single value")


def cast(kind: FieldType, text: str) -> Scalar:
    """The typed value of a cell; ValueError, whose message is a hint, if it has none. Datetimes come out in UTC.

    An array comes out as its text: only its number of items is ever compared.
    """
    return _CASTS[kind](text)


def _matched(pattern: re.Pattern[str], text: str, hint: str) -> str:
    if not pattern.fullmatch(text) or len(text) > MAX_DIGITS:
        raise ValueError(hint)
    return text


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("write true or false")
    return text == "true"


def _date(text: str) -> date:
    return date.fromisoformat(_matched(_DATE, text, "write YYYY-MM-DD"))


def _time(text: str) -> time:
    return time.fromisoformat(_matched(_TIME, text, "write HH:MM:SS"))


def _datetime(text: str) -> datetime:
    value = datetime.fromisoformat(_matched(_DATETIME, text, "write YYYY-MM-DDTHH:MM:SSZ"))
    # Table Schema's own default: a constant without an offset is UTC. Cells differ, they follow the feed's timezone.
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


_CASTS: Mapping[FieldType, Callable[[str], Scalar]] = {
    FieldType.STRING: str,
    FieldType.INTEGER: lambda text: int(_matched(_INTEGER, text, "write digits only")),
    FieldType.NUMBER: lambda text: Decimal(_matched(_NUMBER, text, "write a plain number such as 12.50")),
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIME: _time,
    FieldType.DATETIME: _datetime,
    FieldType.ARRAY: str,
}

#: The formats each type knows beside `default`, and the least that an example or default of that format looks like.
FORMATS: Mapping[FieldType, Mapping[str, re.Pattern[str]]] = {
    FieldType.STRING: {"email": _EMAIL, "uri": _URI, "uuid": _UUID},
}
