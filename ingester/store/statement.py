"""Pieces of SQL that both databases understand, and values in the form that each takes them.

Identifiers come from checked rule files and are always quoted; values are always bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Sequence[str]) -> str:
    """Quoted identifiers, separated by commas."""
    return ", ".join(quoted(name) for name in names)


def to_sqlite(column: pa.Array) -> pa.Array:
    """A typed column as SQLite keeps it: moments and dates as ISO text in UTC, booleans as 0 and 1."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.cast(pc.cast(column, pa.timestamp("us")), pa.string())
    if pa.types.is_date(kind) or pa.types.is_time(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_boolean(kind):
        return pc.cast(column, pa.int8())
    return column


def sqlite_value(value: object) -> object:
    """One value in the form of `to_sqlite`."""
    return to_sqlite(pa.array([value])).to_pylist()[0]


def to_text(column: pa.Array) -> list[Any]:
    """A typed column as texts that PostgreSQL casts to its own types; None for null."""
    return pc.cast(column, pa.string()).to_pylist()  # type: ignore[no-any-return]  # pyarrow is untyped
