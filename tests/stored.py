"""What a database holds, in one form for both: numbers and moments as the texts that SQLite keeps."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

Row = dict[str, Any]


def select(engine: Engine, query: str, *values: object) -> list[Row]:
    """The rows of a query whose parameters are written `?`."""
    if engine.dialect.name == "postgresql":
        query = query.replace("%", "%%").replace("?", "%s")
    with engine.connect() as connection:
        found = connection.exec_driver_sql(query, tuple(values))
        return [{name: plain(value) for name, value in row.items()} for row in found.mappings()]


def plain(value: Any) -> Any:
    """A value as SQLite would have returned it."""
    match value:
        case bool():
            return int(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        case time():
            return value.isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value
