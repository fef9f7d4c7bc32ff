"""Names of outbox and archive files: `<drop name>.<short id>.<what>`."""

from __future__ import annotations

import re

_MAX_BYTES = 180
#: Control characters, line and paragraph separators, halves of surrogate pairs: the SFTP server does not list them.
_UNLISTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff/]")

_SHORT_ID = re.compile(r"\.([0-9a-f]{8})(?:(?:\.status\.json|\.errors\.csv|\.rejects\.(?:csv|xlsx))(?:\.pgp)?)?\Z")


def stem(drop_name: str, short_id: str) -> str:
    """The common beginning of all files about one import; a long drop name is cut."""
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


def listable(name: str) -> str:
    """The name with `_` for everything that a client could not list."""
    return _UNLISTABLE.sub("_", name)


def short_id(file: str) -> str | None:
    """The short id in the name of an outbox or archive file; None where there is none."""
    found = _SHORT_ID.search(file)
    return None if found is None else found[1]


def _cut(name: str) -> str:
    """The name with nothing in it that a client could not list, and short enough for what follows."""
    name = listable(name)
    encoded = name.encode()
    return name if len(encoded) <= _MAX_BYTES else encoded[:_MAX_BYTES].decode(errors="ignore")
