"""Names of outbox and archive files: `<drop name>.<short id>.<what>`."""

from __future__ import annotations

_MAX_BYTES = 180


def stem(drop_name: str, short_id: str) -> str:
    """The common beginning of all files about one import; a long drop name is cut, its end kept readable."""
    return f"{_cut(drop_name)}.{short_id}"


def status(drop_name: str, short_id: str) -> str:
    """The status file."""
    return f"{stem(drop_name, short_id)}.status.json"


def errors(drop_name: str, short_id: str) -> str:
    """One line for each notice."""
    return f"{stem(drop_name, short_id)}.errors.csv"


def rejects(drop_name: str, short_id: str) -> str:
    """The rejected rows as sent."""
    return f"{stem(drop_name, short_id)}.rejects.csv"


def _cut(name: str) -> str:
    encoded = name.encode()
    if len(encoded) <= _MAX_BYTES:
        return name
    return encoded[:_MAX_BYTES].decode(errors="ignore")
