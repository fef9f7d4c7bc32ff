"""Where the rows of a delimited file are: below its header, above its footer. Told from both ends, never the middle."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingester.domain import notice
from ingester.domain.claim import Claims, of_trailer
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import DEFAULT_LIMITS, Limits
from ingester.domain.reads import Reads
from ingester.domain.size import in_words
from ingester.formats.heading import Heading, IsKnown, find_heading
from ingester.formats.plain import too_large
from ingester.formats.rewritten import Rewritten
from ingester.formats.rows.broken import likely
from ingester.formats.rows.mend import RECORD_LIMIT, Grammar, grammar, line_ends
from ingester.formats.text.encoding import BOM, SAMPLE_BYTES

#: Rows that are looked at to find the header among them.
_ROWS = 160
_TAIL_BYTES = 16 << 10
#: Lines at the end that may be no rows.
_FOOTERS = 20
#: Nobody sees these around a column's name.
_AROUND_NAMES = " \t\u00a0\u202f\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"
_LINE = re.compile(rb"[^\r\n]*+(?:\r\n?|\n|\Z)")
#: How lines begin that programs put below a table.
_CLOSING = re.compile(
    r"[-=*_#]{2}|\(?\d+ (?:rows?|records?)\b|(?:grand |sub)?total\b|end of |eof\b|\[?eof|summe\b|gesamt|somme\b|suma\b"
    r"|(?:rows?|records?|lines?|count|datensätze)\b ?[:=]|generated |created |exported |source:|\* |confidential|©",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """A delimited file as the reader takes it: UTF-8, cells between single bytes `delimiter`, quotes `"`.

    Rows are the bytes from `start`, where line number `line` begins, to `end`. `rewritten` says how cells are put back.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...]
    start: int
    line: int
    end: int
    #: The line of the header; None if there is none.
    header_line: int | None = 1
    #: What stands below the rows, a line each.
    footer: tuple[str, ...] = ()
    rewritten: Rewritten | None = None
    limits: Limits = DEFAULT_LIMITS
    #: What stands above the rows but their names, a line each.
    preamble: tuple[str, ...] = ()
    #: What the last line says, where the feed has a template for it; None if it is none like that.
    trailer: Claims | None = None
    #: Whether the quotes of the header are broken, and its names those that they were likely to be.
    is_mended: bool = False
    #: The names with all that is around them, if there is a header.
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    cells: list[str]
    end: int
    line: int
    next_line: int
    #: The whole line, if its quotes are broken, so that its cells are only likely.
    broken: bytes | None = None
    #: Whether its cells are settled all the same, since only they are as many as those of other rows.
    is_settled: bool = True


def lay_out(
    path: Path,
    delimiter: str,
    reads: Reads,
    *,
    skip_lines: int = 0,
    rewritten: Rewritten | None = None,
    is_known: IsKnown | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Layout:
    """Find header and footer of a file that is UTF-8.

    `skip_lines`: so many lines say nothing. Raises UnreadableFile: `empty_file`, `missing_header`, `too_large`, or
    `unreadable_file` for a row over 16 MiB.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        descriptor = file.fileno()
        start = len(BOM) if os.pread(descriptor, len(BOM), 0) == BOM else 0
        if start == size:
            raise UnreadableFile("empty_file", notice.message("empty_file"))
        head = _Head(descriptor, delimiter, rewritten)
        rows = head.rows(start, skip_lines)
        if not rows:
            raise UnreadableFile("missing_header", notice.message("missing_header"))
        heading = _heading(rows, reads, is_known)
        is_mended = False
        written: tuple[str, ...] = ()
        if heading.row is None:
            names = reads.columns or ("",) * max(len(row.cells) for row in rows[heading.data : heading.data + 20])
            first = rows[heading.data - 1] if heading.data else None
            begin, line, header_line = (first.end, first.next_line, None) if first else (start, 1, None)
        else:
            header = rows[heading.row : heading.data]
            is_mended = any(row.broken is not None for row in header)
            if not all(row.is_settled for row in header):
                reason = "the quotes of the header row are broken"
                raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
            names = tuple(name.strip(_AROUND_NAMES) for name in heading.names)
            if reads.header is None and _end_with_nothing(rows[heading.data :], len(names)):
                names += ("",)
            written = _written(header[0].cells, heading.names) + names[len(heading.names) :]
            last = rows[heading.data - 1]
            begin, line, header_line = last.end, last.next_line, rows[heading.row].line
        trailer, end, pinned = None, size, reads.footer
        if reads.trailer is not None:
            trailer, end = _trailer(descriptor, size, begin, head, reads.trailer)
            pinned = pinned or 0 if trailer is not None else pinned
        footer, end = _footer(descriptor, end, begin, delimiter, len(names), pinned)
    if len(names) > limits.columns:
        raise too_large(f"{len(names):,} columns; at most {limits.columns:,} are allowed")
    above = rows[: heading.data if heading.row is None else heading.row] if reads.header is None else []
    skipped = [*(row.cells for row in above), *([heading.aside] if heading.aside else [])]
    preamble = tuple(" ".join(cell for cell in cells if cell.strip()) for cells in skipped)
    return Layout(
        path,
        delimiter,
        names,
        begin,
        line,
        end,
        header_line,
        footer,
        rewritten,
        limits,
        preamble,
        trailer,
        is_mended,
        written,
    )


def _heading(rows: Sequence[_Row], reads: Reads, is_known: IsKnown | None) -> Heading:
    if reads.header:
        at = next((index for index, row in enumerate(rows) if row.line >= reads.header), None)
        if at is None:
            raise UnreadableFile("missing_header", notice.message("missing_header"))
        return Heading(at, at + 1, tuple(rows[at].cells))
    if reads.columns and (reads.header == 0 or not _says(rows[0].cells, reads.columns)):
        return Heading(None, 0)
    if reads.columns:
        return Heading(0, 1, reads.columns)
    return find_heading([row.cells for row in rows], is_known)


def _written(cells: Sequence[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """The names as they stand in the header's cells, unless they are more than those."""
    return tuple(cells) if [cell.strip() for cell in cells] == list(map(str.strip, names)) else names


def _end_with_nothing(rows: Sequence[_Row], width: int) -> bool:
    """Whether rows end with a delimiter more than the header, which nothing follows."""
    longer = [row for row in rows if len(row.cells) > width]
    return len(longer) * 2 > len(rows) and all(len(row.cells) == width + 1 and not row.cells[-1] for row in longer)


def _says(cells: Sequence[str], columns: Sequence[str]) -> bool:
    return [cell.strip().casefold() for cell in cells] == [name.casefold() for name in columns]


class _Head:
    """The first rows of a file that are not blank."""

    def __init__(self, descriptor: int, delimiter: str, rewritten: Rewritten | None) -> None:
        self._descriptor = descriptor
        self._rules = grammar(delimiter)
        self._delimiter = delimiter
        self._rewritten = rewritten

    def rows(self, start: int, skip_lines: int) -> list[_Row]:
        """As many as there are, but not more than decide; the first however long it is."""
        wanted = SAMPLE_BYTES
        while True:
            data = os.pread(self._descriptor, wanted, start)
            at_end = len(data) < wanted
            found = self._found(data, at_end, start, skip_lines)
            if found or at_end:
                return found
            if wanted >= RECORD_LIMIT:
                reason = f"its first row does not end within {in_words(RECORD_LIMIT)}"
                raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
            wanted *= 4

    def _found(self, data: bytes, at_end: bool, start: int, skip_lines: int) -> list[_Row]:
        found: list[_Row] = []
        at, line = 0, 1
        while at < len(data) and len(found) < _ROWS:
            if data[at] in b"\r\n" or line <= skip_lines:
                match = _LINE.match(data, at)
                assert match is not None, "a line matches anything"
                at, line = match.end(), line + 1
                continue
            row, end = _row(data, at, self._rules)
            if end == len(data) and not at_end:
                break
            next_line = line + max(1, line_ends(data[at:end]))
            broken, cells = (row, []) if isinstance(row, _Broken) else (None, self._cells(row))
            found.append(_Row(cells, start + end, line, next_line, broken))
            at, line = end, next_line
        found = self._settled(found)
        return found if self._rewritten is None else _restored(found, self._rewritten)

    def _settled(self, rows: list[_Row]) -> list[_Row]:
        """With cells for those whose quotes are broken, as many as others have if that can be."""
        widths = Counter(len(row.cells) for row in rows if row.broken is None)
        width = max(widths, key=lambda each: (widths[each], each), default=0)
        settled = []
        for row in rows:
            if row.broken is not None:
                found = likely(row.broken, self._rules.delimiter, width)
                row = replace(row, cells=self._texts(found.cells), is_settled=found.is_only)
            settled.append(row)
        return settled

    def sent(self, line: bytes) -> set[str]:
        """A line as it was sent, and without its quotes."""
        row, _ = _row(line, 0, self._rules)
        cells = self._texts(row.split(self._rules.delimiter)) if isinstance(row, _Broken) else self._cells(row)
        between = self._delimiter if self._rewritten is None else self._rewritten.escaped_delimiter or self._delimiter
        return {line.decode("utf-8", "replace"), between.join(cells)}

    def _cells(self, row: bytes) -> list[str]:
        return self._texts(self._rules.cells(row))

    def _texts(self, cells: Sequence[bytes]) -> list[str]:
        return [cell.decode("utf-8", "replace") for cell in cells]


def _restored(rows: Sequence[_Row], rewritten: Rewritten) -> list[_Row]:
    """All of them at once."""
    cells = iter(rewritten.restore_row([cell for row in rows for cell in row.cells]))
    return [replace(row, cells=list(itertools.islice(cells, len(row.cells)))) for row in rows]


class _Broken(bytes):
    """A line whose quotes are broken."""


def _row(data: bytes, at: int, rules: Grammar) -> tuple[bytes, int]:
    """A row without its line end, or a line whose quotes are broken, and where it ends."""
    if match := rules.clean.match(data, at) or rules.literal.match(data, at):
        return match.group().rstrip(b"\r\n"), match.end()
    line = _LINE.match(data, at)
    assert line is not None, "a line matches anything"
    return _Broken(line.group().rstrip(b"\r\n")), line.end()


def _trailer(descriptor: int, size: int, begin: int, head: _Head, template: str) -> tuple[Claims | None, int]:
    """What the last line that is not blank says, and where it begins; the whole size if it is no trailer."""
    at = max(begin, size - _TAIL_BYTES)
    data = os.pread(descriptor, size - at, at)
    # What DOS programs put at the end of a file is no part of it.
    lines = [match for match in _LINE.finditer(data.rstrip(b"\x1a")) if match.group().strip()]
    if not lines or (at > begin and lines[-1].start() == 0):
        return None, size
    last = lines[-1]
    found = [claims for text in head.sent(last.group().rstrip(b"\r\n")) if (claims := of_trailer(text, template))]
    return (found[0], at + last.start()) if found else (None, size)


def _footer(
    descriptor: int, size: int, begin: int, delimiter: str, width: int, pinned: int | None
) -> tuple[tuple[str, ...], int]:
    """The lines below the rows, and where the first of them begins."""
    if pinned == 0 or begin >= size:
        return (), size
    at = max(begin, size - _TAIL_BYTES)
    data = os.pread(descriptor, size - at, at)
    lines = [(at + match.start(), match.group()) for match in _LINE.finditer(data) if match.group()]
    if at > begin:
        lines = lines[1:]  # its beginning was not read
    if not lines:
        return (), size
    texts = [line.rstrip(b"\r\n").decode("utf-8", "replace") for _, line in lines]
    filled = [index for index, text in enumerate(texts) if text.strip()]
    if pinned is not None:
        if pinned > len(filled):
            reason = f"it has fewer lines than the {pinned} that its feed says are below the rows"
            raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
        first = filled[-pinned]
    else:
        first = _first_of_footer(texts, delimiter, width, closed=lines[-1][1][-1:] in (b"\r", b"\n"))
    if first == len(lines):
        return (), size
    return tuple(text for text in texts[first:] if text.strip()), lines[first][0]


def _first_of_footer(texts: Sequence[str], delimiter: str, width: int, *, closed: bool) -> int:
    """The index of the first line that is none of the table: below it no line has the cells of a row.

    It says what it is, or is several words below a blank line. A record that was cut off in its first cell is no
    footer, and a key that stands alone is a row without its other cells.
    """
    found = len(texts)
    for index in range(len(texts) - 1, max(-1, len(texts) - _FOOTERS), -1):
        cells = [cell.strip() for cell in texts[index].split(delimiter)]
        filled = [cell for cell in cells if cell]
        if '"' in texts[index] or len(cells) >= width or len(filled) > 2:
            break
        is_apart = index > 0 and not texts[index - 1].strip() and (closed or index < len(texts) - 1)
        if filled and ((is_apart and " " in filled[0]) or _CLOSING.match(filled[0])):
            found = index
    return found
