"""Comments in delimited text: whole lines that are no rows, left out while a file is rewritten, and counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

#: A cell over this is none; the quote before it is taken for a letter.
_LONGEST = 16 << 20
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Comment:
    """What comments begin with. A line with `row` delimiters is a row all the same; with None, none is.

    `lead` lines at the beginning are comments whatever they have: they are sentences, and no header is among them.
    """

    mark: str
    row: int | None = None
    lead: int = 0


@dataclass(slots=True)
class LeftOut:
    """How many lines were comments, and the first of them."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Take one more."""
        self.count += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(line)


def without_comments(
    pieces: Iterator[str], comment: Comment, delimiter: str, quote: str, escape: str | None, left_out: LeftOut
) -> Iterator[str]:
    """The same text, where comments are blank lines. Inside a quoted cell no line is a comment."""
    line = rf"(?<![^\r\n])(?P<line>{re.escape(comment.mark)}[^\r\n]*+)"
    last = whole = re.compile(line)
    if quote:
        opens = rf"(?<![^\r\n{re.escape(delimiter[-1])}]){re.escape(quote)}"
        taken = rf"|{re.escape(escape)}." if escape else ""
        inside = rf"(?s:[^{re.escape(quote + (escape or ''))}]++|{re.escape(quote)}{{2}}{taken})*+"
        last = re.compile(rf"{opens}{inside}{re.escape(quote)}|{line}")
        whole = re.compile(rf"{last.pattern}|(?P<open>{opens}{inside}\Z)")

    def kept(match: re.Match[str]) -> str:
        text = match["line"]
        if text is None:
            return match.group()
        # The lines that lead are the first that match.
        if comment.row is not None and left_out.count >= comment.lead and text.count(delimiter) >= comment.row:
            return match.group()
        left_out.add(text)
        return ""

    held = ""
    for piece in pieces:
        held += piece
        end = max(held.rfind("\n"), held.rfind("\r")) + 1
        pattern = last if len(held) > _LONGEST else whole
        if pattern is whole and quote:
            end = next((match.start() for match in whole.finditer(held, 0, end) if match["open"] is not None), end)
        if end:
            yield pattern.sub(kept, held[:end])
            held = held[end:]
    yield last.sub(kept, held)
