"""The plain form decoded by hand, character by character, to hold the writers against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MEANING = {"A": "\x1a", "B": "\x1f", "C": "\n", "D": "\r", "E": '"', "F": "\ufeff", "Z": ""}


@dataclass(frozen=True)
class Typed:
    """A cell that is marked as typed."""

    text: str


def rows(path: Path) -> list[list[str | Typed]]:
    """Its rows."""
    return list(by_line(path).values())


def by_line(path: Path) -> dict[int, list[str | Typed]]:
    """Its rows by line."""
    lines = path.read_bytes().decode().split("\n")
    assert lines[-1] == ""
    return {
        number: [_cell(cell) for cell in line.split("\x1f")] for number, line in enumerate(lines[:-1], 1) if line != ""
    }


def _cell(cell: str) -> str | Typed:
    if cell.startswith("\x1aT"):
        assert "\x1a" not in cell[2:]
        return Typed(cell[2:])
    if cell.startswith("\x1aX"):
        return "BROKEN " + _cell(cell[2:])
    found, characters = "", iter(cell)
    for character in characters:
        assert character not in '\n\r"'
        found += _MEANING[next(characters)] if character == "\x1a" else character
    return found
