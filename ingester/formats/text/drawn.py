"""Tables drawn in text, as databases print them and Markdown has them: pipes between padded cells, lines of dashes.

    | id | name  |         id | name
    |----|-------|        ----+-------
    |  1 | apple |          1 | apple

Quotes mean nothing in them. A line of dashes is no row, and blanks that pad a cell are no part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Lines at the beginning, blank ones not counted, that show it.
_SHOWN = 50
_RULE = re.compile(r"(?=.*--)(?=.*[|+])[-=:+| \t]+")
_AFTER_LINE = r"(?<![^\r\n])"


@dataclass(frozen=True, slots=True)
class Drawn:
    """How it is drawn: `framed`, with a pipe before and after each row, or not; `rule` is its line of dashes."""

    framed: bool
    rule: str

    def plain(self, lines: str) -> str:
        """Whole lines without what is only drawn; their number stays."""
        lines = re.sub(rf"{_AFTER_LINE}[ \t]*+{re.escape(self.rule)}[ \t]*+(?=[\r\n]|\Z)", "", lines)
        if self.framed:
            lines = _FRAME.sub("", lines)
        return _PADDING.sub(r"\1", lines)


_FRAME = re.compile(rf"{_AFTER_LINE}[ \t]*+\||\|[ \t]*+(?=[\r\n]|\Z)")
_PADDING = re.compile(rf"[ \t]*+(\|)[ \t]*+|{_AFTER_LINE}[ \t]++|[ \t]++(?=[\r\n]|\Z)")


def tell_drawn(text: str) -> Drawn | None:
    """How the table that `text` begins with is drawn; None if it is not."""
    lines = [line for line in text[: 1 << 14].splitlines() if line.strip()][:_SHOWN]
    rules = [index for index, line in enumerate(lines) if _RULE.fullmatch(line)]
    if not rules:
        return None
    first = rules[0]
    head = next(
        (line for line in (*lines[first + 1 : first + 2], *lines[max(0, first - 1) : first]) if "|" in line), ""
    )
    rows = [line for index, line in enumerate(lines) if index not in rules and "|" in line]
    framed = [_is_framed(line) for line in rows]
    if not head or len(rows) * 2 < len(lines) - len(rules):
        return None
    rule = lines[first].strip().strip("|+")
    cells = head.strip()[1:-1] if all(framed) else head
    if len(re.split(r"[|+]", rule)) != cells.count("|") + 1:
        return None
    return Drawn(all(framed), lines[first].strip())


def _is_framed(line: str) -> bool:
    line = line.strip()
    return len(line) > 1 and line[0] == line[-1] == "|"
