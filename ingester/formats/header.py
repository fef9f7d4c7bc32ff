"""The header row: the first row of a delimited file, and where the data begins after it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.formats.block import require_utf8
from ingester.formats.detect import BOM, SAMPLE_BYTES, Detected
from ingester.formats.mend import RECORD_LIMIT, Grammar, grammar, line_ends

_BLANK_LINES = re.compile(rb"[\r\n]*+")


@dataclass(frozen=True, slots=True)
class Header:
    """Column names without blanks around them, and the offset and physical line of what follows."""

    names: list[str]
    end: int
    next_line: int


def read_header(descriptor: int, detected: Detected) -> Header:
    """The first row that is not blank. Raises UnreadableFile if there is none or its quotes are broken."""
    start = len(BOM) if detected.encoding == "utf-8-sig" else 0
    rules = grammar(detected.delimiter)
    wanted = SAMPLE_BYTES
    while True:
        data = os.pread(descriptor, wanted, start)
        at_end = len(data) < wanted
        if found := _first_row(data, at_end, rules):
            row, end = found
            require_utf8(data[:end], start)
            names = [cell.decode().strip() for cell in rules.cells(row)]
            return Header(names, start + end, 1 + line_ends(data[:end]))
        if at_end or wanted >= RECORD_LIMIT:
            break
        wanted *= 2
    if at_end and not data.strip(b"\r\n"):
        raise UnreadableFile("missing_header", notice.message("missing_header"))
    reason = "the quotes of the header row are broken"
    raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))


def _first_row(data: bytes, at_end: bool, rules: Grammar) -> tuple[bytes, int] | None:
    """The first row without its line end, and the offset after it; None if there is none in `data`."""
    blank = _BLANK_LINES.match(data)
    start = blank.end() if blank else 0
    match = rules.clean.match(data, start) or rules.literal.match(data, start)
    if match is None or start == len(data):
        return None
    if match.end() == len(data) and not at_end and not data.endswith(b"\n"):
        return None
    return match.group().rstrip(b"\r\n"), match.end()
