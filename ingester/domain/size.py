"""How many bytes something has, in words."""

from __future__ import annotations

_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def in_words(size: int) -> str:
    """So many bytes as people say them: `16 MiB`, `1.5 KiB`, `1000 bytes`."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{round(size / unit, 1):g} {name}"
    return f"{size} bytes"
