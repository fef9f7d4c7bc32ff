"""Text of fixed width in plain form: each line cut at the same places, blanks around what is cut dropped.

Places are characters, or bytes where `width` finds that lines were filled up to so many of them.

Lines may have lost their blanks at the end. One that is longer, by more than blanks, has a cell too many.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.domain.size import in_words
from ingester.formats.heading import IsKnown
from ingester.formats.plain import PlainWriter, text, too_large
from ingester.formats.plain_columns import escaped, lines
from ingester.formats.records.width import are_bytes, may_be_bytes
from ingester.formats.transcribed import Transcribed
from ingester.formats.undecodable import undecodable

#: The cells of a line by its number, and what is behind the last one.
Cut = Callable[[int, str], list[str]]

_BLOCK = 4 << 20
_LF = 0x0A
#: Ends a file of DOS and of some mainframes.
_END = "\x1a"
#: What stands around values.
_PADDING = " \t"
_BLANKS = " \t\r\n\0" + _END


def transcribe(
    source: Path, target: Path, reads: Reads, limits: Limits, is_known: IsKnown | None = None
) -> Transcribed:
    """Write the lines of `source` to `target`, cut at `reads.widths`. Raises UnreadableFile."""
    del is_known
    assert reads.widths, "fixed width has widths"
    encoding = reads.encoding or "utf-8-sig"
    if encoding == "utf-8":
        encoding = "utf-8-sig"
    spans = _spans(reads.widths)
    limit = max(spans[-1].stop + 1, limits.cell_bytes)
    try:
        with source.open(encoding=encoding, newline=None) as file, PlainWriter(target, len(spans), limits) as writer:
            cut: Cut = partial(_by_character, spans=spans)
            codec = encoding.removesuffix("-sig")
            if may_be_bytes(source, codec):
                numbered = _lines(file, limit)
                _header(numbered, cut, reads)
                if are_bytes(_above(numbered, reads.footer), spans[-1], codec):
                    cut = partial(_by_byte, spans=spans, encoding=codec)
                file.seek(0)
            numbered = _lines(file, limit)
            header, names = _header(numbered, cut, reads)
            rows = _Rows(writer, spans, cut, limits.cell_bytes)
            for number, line in _above(numbered, reads.footer):
                rows.add(number, line)
            rows.flush()
    except UnicodeDecodeError:
        raise undecodable(source, encoding) from None
    return Transcribed(
        names=names,
        rows=writer.rows,
        first_line=rows.first or (header or 0) + 1,
        header_row=header,
        encoding=encoding.removesuffix("-sig"),
    )


def _spans(widths: Sequence[int]) -> list[slice]:
    ends = list(itertools.accumulate(widths))
    return [slice(end - width, end) for width, end in zip(widths, ends, strict=True)]


def _lines(file: TextIO, limit: int) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, by number, without their ends."""
    for number in itertools.count(1):
        line = file.readline(limit + 1)
        if not line:
            return
        if len(line) > limit:
            raise too_large(f"line {number} has over {in_words(limit)}; is the file cut into lines?")
        line = line.removesuffix("\n")
        if line.strip(_BLANKS):
            yield number, line


def _above(numbered: Iterator[tuple[int, str]], footer: int | None) -> Iterator[tuple[int, str]]:
    """The lines but for the last ones."""
    held: deque[tuple[int, str]] = deque()
    for each in numbered:
        held.append(each)
        if len(held) > (footer or 0):
            yield held.popleft()


def _by_character(number: int, line: str, spans: Sequence[slice]) -> list[str]:
    """The cells of a line, and what is behind the last one."""
    del number
    return [*(line[span] for span in spans), line[spans[-1].stop :]]


def _by_byte(number: int, line: str, spans: Sequence[slice], encoding: str) -> list[str]:
    """The same where places are bytes. UnreadableFile if that would cut a character in two."""
    if line.isascii():
        return _by_character(number, line, spans)
    raw = line.encode(encoding, "replace")
    cells = [raw[span].decode(encoding, "replace") for span in (*spans, slice(spans[-1].stop, None))]
    if "".join(cells) != line:
        reason = f"the widths are bytes, and in line {number} they cut a character in two"
        raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
    return cells


def _header(numbered: Iterator[tuple[int, str]], cut: Cut, reads: Reads) -> tuple[int | None, tuple[str, ...]]:
    if reads.columns and not reads.header:
        return None, reads.columns
    for number, line in numbered:
        if reads.header is None or number == reads.header:
            return number, reads.columns or tuple(cell.strip(_PADDING) for cell in cut(number, line)[:-1])
        if number > reads.header:
            break
    raise UnreadableFile("missing_header", notice.message("missing_header"))


class _Rows:
    """Lines cut: together while they have one length and no character of several bytes, else one by one."""

    def __init__(self, writer: PlainWriter, spans: Sequence[slice], cut: Cut, cell_bytes: int) -> None:
        self._writer = writer
        self._cut = cut
        self._spans = spans
        self._end = spans[-1].stop
        self._cell_bytes = cell_bytes
        self._lines: list[str] = []
        self._most = max(1, _BLOCK // self._end)
        self._number = 0
        self.first = 0

    def add(self, number: int, line: str) -> None:
        self.first = self.first or number
        if self._lines and (number != self._number + 1 or len(self._lines) >= self._most):
            self.flush()
        self._lines.append(line)
        self._number = number

    def flush(self) -> None:
        if not self._lines:
            return
        start = self._number - len(self._lines) + 1
        block = "\n".join(self._lines) + "\n"
        length = len(self._lines[0])
        even = len(block) == len(self._lines) * (length + 1) and length == self._end and len(self._lines) > 1
        if even and block.isascii() and _is_even(cells := np.frombuffer(block.encode(), np.uint8), length + 1):
            self._together(cells.reshape(-1, length + 1), start)
        else:
            for number, line in enumerate(self._lines, start):
                self._writer.write(self._cells(number, line), number)
        self._lines.clear()

    def _cells(self, number: int, line: str) -> list[str]:
        *cut, rest = self._cut(number, line)
        cells = [text(cell.strip(_PADDING)) for cell in cut]
        if surplus := rest.strip(_BLANKS):
            cells.append(text(surplus))
        return cells

    def _together(self, table: np.ndarray[tuple[int, int], np.dtype[np.uint8]], start: int) -> None:
        columns = []
        for span in self._spans:
            data = np.ascontiguousarray(table[:, span])
            offsets = np.arange(len(table) + 1, dtype=np.int64) * data.shape[1]
            column = pa.LargeStringArray.from_buffers(len(table), pa.py_buffer(offsets), pa.py_buffer(data))
            columns.append(escaped(pc.utf8_trim(column, _PADDING)))
        self._writer.skip_to(start)
        self._writer.write_lines(lines(columns, self._cell_bytes, self._writer.rows + 1), len(table))


def _is_even(data: np.ndarray[tuple[int], np.dtype[np.uint8]], length: int) -> bool:
    ends = data[length - 1 :: length]
    return bool((ends == _LF).all() and np.count_nonzero(data == _LF) == ends.size)
