"""Reading against two independent oracles: Python's `csv` on well-formed text, a naive state machine on any bytes."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.domain.errors import UnreadableFile
from ingester.domain.reads import Reads
from ingester.formats.rows import mend
from ingester.formats.text.delimited import DelimitedReader
from ingester.formats.text.layout import lay_out
from tests.examples import examples


@dataclass
class Read:
    """Everything a reader says about a file, as plain values."""

    header: list[str]
    good: dict[int, tuple[int, list[str]]]
    ragged: dict[int, tuple[int, int]]
    total: int
    truncated: str | None
    again: dict[int, list[str]]


def read(data: bytes, delimiter: str, block_bytes: int, threads: int = 1) -> Read:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        path.write_bytes(data)
        layout = lay_out(path, delimiter, Reads(header=1, footer=0))
        reader = DelimitedReader(layout, block_bytes=block_bytes, threads=threads)
        good: dict[int, tuple[int, list[str]]] = {}
        ragged: dict[int, tuple[int, int]] = {}
        before = 1
        for block in reader.blocks():
            assert block.first_row == before
            before += block.table.num_rows + block.ragged.num_rows
            cells = zip(*(column.to_pylist() for column in block.table.columns), strict=True)
            for row, line, values in zip(block.rows.to_pylist(), block.lines.to_pylist(), cells, strict=True):
                good[row] = (line, list(values))
            for row, line, count in zip(*(column.to_pylist() for column in block.ragged.columns), strict=True):
                ragged[row] = (line, count)
        again: dict[int, list[str]] = {}
        told = {row: line for row, (line, _) in [*good.items(), *ragged.items()]}
        for found in reader.map_rows(np.ones(reader.total_rows + 1, np.bool_), lambda found: found):
            rows = found.rows.tolist()
            assert found.lines.tolist() == [told[row] for row in rows]
            values = zip(*(column.to_pylist() for column in found.cells.columns), strict=True)
            again |= dict(zip(rows, map(list, values), strict=True))
        assert reader.total_rows == before - 1
        return Read(reader.header, good, ragged, reader.total_rows, reader.truncated, again)


CELL = st.text(
    st.one_of(st.sampled_from('a1 "\n\r,;|\t\x00é\ufeff\u2028\x1c😀'), st.characters(codec="utf-8")), max_size=8
)
DELIMITER = st.sampled_from(",;\t|")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    width = draw(st.integers(1, 4))
    header = [f"c{index}" for index in range(width)]
    row = st.lists(CELL, min_size=width, max_size=width)
    ragged = st.lists(CELL, min_size=1, max_size=6)
    return header, draw(st.lists(st.one_of(row, row, row, ragged), max_size=12))


@examples(200)
@given(
    table=tables(),
    delimiter=DELIMITER,
    terminator=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block_bytes=st.sampled_from([1, 2, 3, 7, 16, 50, 1 << 20]),
    bom=st.booleans(),
    final=st.booleans(),
    blank=st.integers(0, 3),
)
def test_well_formed_text_reads_as_the_csv_module_reads_it(
    table: tuple[list[str], list[list[str]]],
    delimiter: str,
    terminator: str,
    quoting: int,
    block_bytes: int,
    bom: bool,
    final: bool,
    blank: int,
) -> None:
    header, rows = table
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=terminator, quoting=quoting)
    writer.writerow(header)
    for index, row in enumerate(rows):
        if index % 4 == blank:
            out.write(terminator)
        writer.writerow(row)
    text = out.getvalue()
    if not final:
        text = text.removesuffix(terminator)
    source = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    expected = [(row, source.line_num) for row in source if row]
    result = read(("\ufeff" if bom else "").encode() + text.encode(), delimiter, block_bytes)

    assert result.header == header
    assert result.total == len(expected) - 1
    for number, (row, last_line) in enumerate(expected[1:], start=1):
        if len(row) == len(header):
            line, cells = result.good[number]
            assert cells == row
        else:
            line, count = result.ragged[number]
            assert count == len(row)
        assert line <= last_line
        assert result.again[number] == fit(row, len(header), delimiter)
    if final:
        assert result.truncated is None


def fit(row: list[str], width: int, delimiter: str) -> list[str]:
    row = [*row[: width - 1], delimiter.join(row[width - 1 :])]
    return row + [""] * (width - len(row))


# --- the naive reading ------------------------------------------------------------------------------------------------


class Broken(Exception):
    """The row has no certain reading; `end` is where a lenient reader would end it, None for the end of the text."""

    def __init__(self, end: int | None) -> None:
        self.end = end


def naive_row(text: str, at: int, delimiter: str, *, literal: bool = True) -> tuple[list[str], int]:
    """One row, character by character: its cells and where the next row begins."""
    cells: list[str] = []
    broken = False
    while True:
        cell = ""
        if at < len(text) and text[at] == '"':
            at += 1
            while True:
                if at >= len(text):
                    raise Broken(None)
                if text[at] != '"':
                    cell += text[at]
                elif text[at + 1 : at + 2] == '"':
                    cell += '"'
                    at += 1
                else:
                    break
                at += 1
            at += 1
            if at < len(text) and text[at] not in (delimiter, "\r", "\n"):
                broken = True
        while at < len(text) and text[at] not in (delimiter, "\r", "\n"):
            broken = broken or (text[at] == '"' and not literal)
            cell += text[at]
            at += 1
        cells.append(cell)
        if at >= len(text) or text[at] != delimiter:
            break
        at += 1
    at = after_line_end(text, at)
    if broken:
        raise Broken(at)
    return cells, at


def after_line_end(text: str, at: int) -> int:
    return at + (2 if text[at : at + 2] == "\r\n" else 1 if at < len(text) else 0)


def physical_lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = start
        while end < len(text) and text[end] not in "\r\n":
            end += 1
        end = after_line_end(text, end)
        yield start, end
        start = end


def is_clean(text: str, at: int, end: int, delimiter: str, width: int) -> bool:
    while at < end:
        if text[at] in "\r\n":
            at = after_line_end(text, at)
            continue
        try:
            cells, at = naive_row(text, at, delimiter, literal=False)
        except Broken:
            return False
        if len(cells) != width:
            return False
    return True


def naive(text: str, delimiter: str, width: int) -> tuple[dict[int, tuple[int, list[str] | str]], bool]:
    """Every row by number: its line, and its cells, or the text of a broken line. And whether a quote stays open."""
    line_of = {start: number for number, (start, _) in enumerate(physical_lines(text), start=1)}
    end_of = dict(physical_lines(text))
    rows: dict[int, tuple[int, list[str] | str]] = {}
    at, is_open = 0, False
    while at < len(text):
        if text[at] in "\r\n":
            at = after_line_end(text, at)
            continue
        try:
            cells, after = naive_row(text, at, delimiter)
            rows[len(rows) + 1] = (line_of[at], cells)
            at = after
        except Broken as error:
            end = len(text) if error.end is None else error.end
            is_open = is_open or error.end is None
            first = end_of[at]
            stop = first if first >= end or (width > 1 and is_clean(text, first, end, delimiter, width)) else end
            while at < stop:
                if content := text[at : end_of[at]].rstrip("\r\n"):
                    rows[len(rows) + 1] = (line_of[at], content)
                at = end_of[at]
    return rows, is_open


MESSY = st.text(st.sampled_from('ab"",,\n\r'), max_size=60)
ONE_LINE = [
    "a,b",
    '5",c',
    'q""r,s',
    'say "x"',
    '"a",b',
    'x"y,b',
    '"a"b,c',
    'a,"b',
    '"',
    'a,""',
    ",",
    '""",b',
    "\ufeffa,b",
    '"a,b',
    "",
    "q",
]
LINES = st.lists(st.sampled_from([*ONE_LINE, '"x\ny",z']), max_size=14)


@examples(300)
@given(
    text=st.one_of(MESSY, LINES.map("\n".join), LINES.map("\r\n".join), LINES.map(lambda x: "\r\n".join(x) + "\n")),
    header=st.sampled_from(["a", "a,b", "a,b,c"]),
    block_bytes=st.sampled_from([1, 2, 3, 5, 11, 32, 1 << 20]),
    threads=st.sampled_from([1, 2]),
    far=st.sampled_from([0, 6, mend._FAR]),
)
def test_malformed_text_never_gives_a_value_the_strict_reading_does_not(
    text: str, header: str, block_bytes: int, threads: int, far: int
) -> None:
    width = header.count(",") + 1
    with pytest.MonkeyPatch.context() as patch:
        # Where mending gives up in favour of cutting must not show in what is read.
        patch.setattr(mend, "_FAR", far)
        result = read(f"{header}\n{text}".encode(), ",", block_bytes, threads)
    expected, is_open = naive(text, ",", width)

    assert result.total == len(expected)
    for number, (line, content) in expected.items():
        if isinstance(content, str):
            assert result.ragged[number] == (line + 1, 0)
            assert result.again[number] == fit(content.split(","), width, ",")
        else:
            assert result.again[number] == fit(content, width, ",")
            if len(content) == width:
                assert result.good[number] == (line + 1, content)
            else:
                assert result.ragged[number] == (line + 1, len(content))
    assert result.good.keys().isdisjoint(result.ragged)
    if is_open:
        assert result.truncated


@examples(60)
@given(before=st.integers(0, 40), block_bytes=st.sampled_from([1, 4, 64]), byte=st.sampled_from([0xFF, 0xC0, 0xED]))
def test_a_byte_that_is_no_utf8_is_named_wherever_it_is(before: int, block_bytes: int, byte: int) -> None:
    head = b"a,b\n" + b"x,y\n" * (before // 4) + b"c" * (before % 4)
    data = head + bytes([byte]) + b",\nx,y,z\n"
    with pytest.raises(UnreadableFile, match=rf"byte {len(head)}\)") as caught:
        read(data, ",", block_bytes)
    assert caught.value.code == "invalid_encoding"
