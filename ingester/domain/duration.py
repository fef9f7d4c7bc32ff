"""Lengths of time as operators write them: `90s`, `10m`, `2h`, `1d`, or several of them, `1h30m`."""

from __future__ import annotations

import re

from ingester.domain.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WRITTEN = re.compile(r"\s*(?:[0-9]{1,6}\s*[smhd]\s*)+")
_PART = re.compile(r"([0-9]+)\s*([smhd])")


def seconds(written: str | int) -> int:
    """The length in seconds; a plain number is seconds already. UsageError for anything else."""
    text = str(written).strip().lower()
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return int(text)
    if not _WRITTEN.fullmatch(text):
        raise UsageError(f"'{written}' is not a length of time", fix="Write it as 90s, 10m, 2h, 1d or 1h30m.")
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def written(length: int) -> str:
    """The shortest way to write a number of seconds: `5400` is `1h30m`."""
    parts = []
    for unit, size in sorted(_SECONDS.items(), key=lambda each: -each[1]):
        count, length = divmod(length, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
