"""The strict, slow reading of bytes whose quotes `cut` could not verify: row by row, into bytes that it could.

Each well-formed row is passed on; a quote inside an unquoted cell (`5" pipe`) is an ordinary character, so that row
is passed on with the cell quoted. A row in which text follows a closing quote, or whose quote never closes, has no
certain reading. It is *broken*, and so is every line it spans, unless all lines after its first read cleanly by
themselves with the header's cell count: then the stray quote was on the first line, and only that line is broken.
No value is ever made from a broken line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.size import in_words

#: The longest row, in bytes: nothing longer is held in memory.
RECORD_LIMIT = 16 << 20

#: Bytes of clean rows that are worth leaving to `cut`.
_FAR = 64 << 10

_LINE_END = re.compile(rb"\r\n?|\n")


class Grammar:
    """The cells and rows of one delimiter as patterns over bytes. Possessive, so that no input makes them slow."""

    def __init__(self, delimiter: str) -> None:
        sep = re.escape(delimiter.encode())
        quoted = rb'"(?:[^"]++|"")*+"'
        plain = rb'[^%b"\r\n]*+' % sep
        loose = rb'(?:[^%b"\r\n][^%b\r\n]*+)?+' % (sep, sep)
        any_text = rb"[^%b\r\n]*+" % sep
        row = rb"(?:%b|%b)(?:%b(?:%b|%b))%b(?:\r\n?|\n|\Z)"
        self.delimiter = delimiter.encode()
        self._clean = (quoted, plain, sep, quoted, plain)
        self._row = row
        #: Quotes only around whole cells.
        self.clean = re.compile(row % (*self._clean, b"*+"))
        #: Also quotes inside unquoted cells.
        self.literal = re.compile(row % (quoted, loose, sep, quoted, loose, b"*+"))
        #: Also text after a closing quote: where such a row would end.
        self.faulty = re.compile(row % (quoted + any_text, loose, sep, quoted + any_text, loose, b"*+"))
        self.cell = re.compile(rb"(%b)|(%b)" % (quoted, any_text))

    def clean_rows(self, width: int) -> re.Pattern[bytes]:
        """Any number of rows like `clean`, each with exactly `width` cells, and blank lines."""
        return re.compile(rb"(?:[\r\n]++|%b)*+" % (self._row % (*self._clean, b"{%d}+" % (width - 1))))

    def cells(self, row: bytes) -> list[bytes]:
        """The cells of one row that is not broken, without its line end."""
        if b'"' not in row:
            return row.split(self.delimiter)
        found = []
        at = 0
        while True:
            match = self.cell.match(row, at)
            assert match is not None, "the cell pattern matches anything"
            quoted, text = match.groups()
            found.append(text if quoted is None else quoted[1:-1].replace(b'""', b'"'))
            at = match.end() + len(self.delimiter)
            if match.end() >= len(row):
                return found

    def requoted(self, row: bytes) -> bytes:
        """The same row with every cell in quotes, as `cut` wants it."""
        return self.delimiter.join(b'"%b"' % cell.replace(b'"', b'""') for cell in self.cells(row)) + b"\n"


@lru_cache
def grammar(delimiter: str) -> Grammar:
    """The one Grammar of a delimiter."""
    return Grammar(delimiter)


def line_ends(raw: bytes) -> int:
    """How many line ends there are in `raw`, in quotes or not."""
    count = raw.count(b"\n")
    return count + raw.count(b"\r") - raw.count(b"\r\n") if b"\r" in raw else count


@dataclass(slots=True)
class Mended:
    """Rows made readable. Row numbers count from 0, over both kinds of rows; lines are line ends before."""

    #: How many of the given bytes were used, and the line ends in them.
    end: int = 0
    line_count: int = 0
    #: One row after the other, each with its line end; the last one as it is.
    rows: list[bytes] = field(default_factory=list)
    row_numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: list[bytes] = field(default_factory=list)
    broken_numbers: list[int] = field(default_factory=list)
    broken_lines: list[int] = field(default_factory=list)
    #: Line ends before the row whose quote is still open where the file ends.
    open_line: int | None = None

    @property
    def count(self) -> int:
        """Rows of both kinds."""
        return len(self.rows) + len(self.broken)

    def add(self, row: bytes, raw: bytes) -> None:
        """Take one readable row; `raw` are its bytes in the file."""
        self.row_numbers.append(self.count)
        self.lines.append(self.line_count)
        self.rows.append(row)
        self.skip(raw)

    def add_broken(self, line: bytes) -> None:
        """Take one broken line, with its line end; nothing if it is blank."""
        if text := line.rstrip(b"\r\n"):
            self.broken_numbers.append(self.count)
            self.broken_lines.append(self.line_count)
            self.broken.append(text)
        self.skip(line)

    def skip(self, raw: bytes) -> None:
        """Count bytes as used."""
        self.end += len(raw)
        self.line_count += line_ends(raw)


def mend(data: bytes, at_end: bool, delimiter: str, width: int, *, first_line: int = 1) -> Mended:
    """Read the whole rows at the start of `data`, which begins at a row; none (`end` 0) if the first needs more bytes.

    `width` is the header's cell count, `first_line` the number of the first line in the file. Raises UnreadableFile
    for a row over `RECORD_LIMIT`.
    """
    return _Mender(data, at_end, grammar(delimiter), width, first_line).run()


class _Mender:
    def __init__(self, data: bytes, at_end: bool, rules: Grammar, width: int, first_line: int) -> None:
        self._data = data
        self._at_end = at_end
        self._rules = rules
        self._first_line = first_line
        # A table of one column has no cell count to recognise a clean line by.
        self._clean_rows = rules.clean_rows(width) if width > 1 else None
        #: Whether the rest had better be tried the quick way again.
        self._is_over = False
        self._out = Mended()

    def run(self) -> Mended:
        out, data, rules = self._out, self._data, self._rules
        while out.end < len(data) and not self._is_over:
            start = out.end
            blank = data[start] in b"\r\n"
            match = _LINE_END.match(data, start) if blank else rules.clean.match(data, start)
            if match is None:
                if not self._take_hard_row(start):
                    break
            elif self._is_cut_off(match.end()):
                break
            elif blank:
                out.skip(match.group())
            else:
                out.add(match.group(), match.group())
        if not out.end and len(data) >= RECORD_LIMIT:
            raise self._too_long("a row")
        return out

    def _is_cut_off(self, end: int) -> bool:
        """Whether what ends here could go on in bytes not seen yet."""
        return end == len(self._data) and not self._at_end and self._data[-1:] != b"\n"

    def _take_hard_row(self, start: int) -> bool:
        """Take one row that is not clean; False if it needs more bytes."""
        out, data = self._out, self._data
        if match := self._rules.literal.match(data, start):
            if self._is_cut_off(match.end()):
                return False
            out.add(self._rules.requoted(match.group().rstrip(b"\r\n")), match.group())
            return True
        if match := self._rules.faulty.match(data, start):
            contained = self._reads_cleanly(start, match.end())
            if self._is_cut_off(match.end()) or contained is None:
                return False
            self._take_broken(start, match.end(), contained)
            return True
        if not self._at_end and len(data) - start < RECORD_LIMIT:
            return False
        contained = self._reads_cleanly(start, len(data))
        if self._at_end:
            out.open_line = out.line_count
        elif contained is False:
            raise self._too_long("a quoted cell")
        self._take_broken(start, len(data), contained is not False)
        return True

    def _take_broken(self, start: int, end: int, contained: bool) -> None:
        # All that was read ahead is clean: mending it row by row would only be slow.
        self._is_over = contained and end - start > _FAR
        while start < end:
            after = self._end_of_line(start)
            self._out.add_broken(self._data[start:after])
            if contained:
                return
            start = after

    def _end_of_line(self, start: int) -> int:
        match = _LINE_END.search(self._data, start)
        return match.end() if match else len(self._data)

    def _reads_cleanly(self, start: int, end: int) -> bool | None:
        """Whether the lines after the first read cleanly by themselves; None if that takes more bytes to tell."""
        at = self._end_of_line(start)
        if at >= end:
            return True
        if self._clean_rows is None:
            return False
        if (run := self._clean_rows.match(self._data, at, end)) and run.end() == end:
            return True
        # One row is left: it may begin before the end and go on after it.
        at = run.end() if run else at
        last = self._rules.faulty.match(self._data, at)
        if last is None or self._is_cut_off(last.end()):
            return False if self._at_end else None
        return self._clean_rows.fullmatch(self._data, at, last.end()) is not None

    def _too_long(self, what: str) -> UnreadableFile:
        line = self._first_line + self._out.line_count
        reason = f"{what} that begins on line {line} does not end within {in_words(RECORD_LIMIT)}"
        return UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
