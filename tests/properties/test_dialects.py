"""Any table, written by any writer in any dialect, is read back as it was, or it is plain to see that it was not."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from ingester.domain.errors import UnreadableFile
from tests.examples import examples
from tests.opened import opened, rows

Table = list[list[str]]

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
}


@dataclass(frozen=True)
class Written:
    """How a table is written."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    always: bool = False
    end: str = "\n"
    encoding: str = "utf-8"
    above: str = ""
    below: str = ""
    blanks: bool = False
    closed: bool = True
    packing: str = ""

    def by_csv(self, table: Table) -> bytes:
        """As Python's `csv` writes it; delimiters of several characters come in afterwards."""
        many = len(self.delimiter) > 1
        out = io.StringIO(newline="")
        options: dict[str, Any] = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE}
        if self.always:
            options["quoting"] = csv.QUOTE_ALL
        writer = csv.writer(
            out,
            delimiter="\x1f" if many else self.delimiter,
            lineterminator=self.end,
            escapechar=self.escape,
            doublequote=self.escape is None,
            **options,
        )
        for row in table:
            writer.writerow(row)
            if self.blanks:
                out.write(self.end)
        text = out.getvalue().replace("\x1f", self.delimiter) if many else out.getvalue()
        return self.packed(text)

    def by_pandas(self, table: Table) -> bytes:
        """As pandas writes it."""
        return self.packed(
            pd.DataFrame(table[1:], columns=table[0], dtype=str).to_csv(
                index=False,
                sep=self.delimiter,
                quotechar=self.quote,
                escapechar=self.escape,
                doublequote=self.escape is None,
                lineterminator=self.end,
                quoting=csv.QUOTE_ALL if self.always else csv.QUOTE_MINIMAL,
            )
        )

    def by_polars(self, table: Table) -> bytes:
        """As Polars writes it."""
        out = io.BytesIO()
        columns = {name: [row[at] for row in table[1:]] for at, name in enumerate(table[0])}
        pl.DataFrame(columns, schema=dict.fromkeys(table[0], pl.String)).write_csv(
            out,
            separator=self.delimiter,
            quote_char=self.quote,
            line_terminator=self.end,
            quote_style="always" if self.always else "necessary",
        )
        return self.packed(out.getvalue().decode())

    def packed(self, text: str) -> bytes:
        """The bytes of the file."""
        if not self.closed:
            text = text.removesuffix(self.end)
        text = self.above.replace("\n", self.end) + text + self.below.replace("\n", self.end)
        return PACKINGS[self.packing](text.encode(self.encoding))


@contextmanager
def folder() -> Iterator[Path]:
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    path = Path(tempfile.mkdtemp(dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def read(data: bytes, **said: Any) -> Table:
    with folder() as path:
        return rows(opened(path, data, **said))


SETTINGS = {"suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much], "deadline": None}
DELIMITERS = st.sampled_from([",", ";", "\t", "|", "^", "~", ":", "#", " ", "\x01", "§", "||", "::", "~|~", ", ", "<>"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
WIDE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]
PACKED = st.sampled_from([*PACKINGS])

# What a cell may hold, above all what stands between and around cells. Control characters may refuse the file:
# rewritten text needs some for itself, and with others it looks like something else.
ANY_CELL = st.text(st.sampled_from("ab,;\t|^~:#§ '\"\\\n\r=-1.é\u00a0\ufeff☃𝄞"), max_size=6) | st.text(
    st.characters(exclude_categories=("Cs", "Cc")), max_size=6
)


@st.composite
def any_tables(draw: st.DrawFn, cells: st.SearchStrategy[str] = ANY_CELL) -> Table:
    width = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6))


@examples(400, **SETTINGS)
@given(any_tables(), DELIMITERS, st.sampled_from(['"', "'"]), st.booleans(), ENDS, st.sampled_from(WIDE), PACKED)
def test_any_table_of_a_pinned_dialect_is_read_back(
    table: Table, delimiter: str, quote: str, always: bool, end: str, encoding: str, packing: str
) -> None:
    many = len(delimiter) > 1
    assume(not many or not any(delimiter in cell or "\x1f" in cell for row in table for cell in row))
    assume(not table[0][0].startswith("\ufeff"))  # there it is a mark, wherever it came from
    # Python's `csv` leaves line ends unquoted that are not its own.
    always = always or many or any(mark in cell for row in table for cell in row for mark in "\r\n")
    written = Written(delimiter, quote, None, always, end, encoding, packing=packing)
    columns = [f"c{at}" for at in range(len(table[0]))]
    said = {"delimiter": delimiter, "quote": quote, "header": 0, "columns": columns, "footer": 0, "encoding": encoding}
    assert read(written.by_csv(table), **said) == table


@examples(200, **SETTINGS)
@given(any_tables(), st.sampled_from([",", ";", "\t", "|", "~"]), st.booleans(), ENDS)
def test_any_table_with_a_pinned_escape_character_is_read_back(
    table: Table, delimiter: str, quoted: bool, end: str
) -> None:
    assume(not table[0][0].startswith("\ufeff"))
    assume(quoted or all(any(row) for row in table))  # a row of nothing has no bytes without quotes
    # Without quotes `csv` leaves line ends alone that are not its own, and what begins or ends with blanks as it is.
    assume(quoted or end == "\n" or not any(mark in cell for row in table for cell in row for mark in "\r\n"))
    assume(quoted or not any("\r" in cell for row in table for cell in row))
    written = Written(delimiter, '"' if quoted else "", "\\", quoted, end)
    columns = [f"c{at}" for at in range(len(table[0]))]
    said = {
        "delimiter": delimiter,
        "quote": written.quote,
        "escape": "\\",
        "header": 0,
        "columns": columns,
        "footer": 0,
    }
    assert read(written.by_csv(table), **said) == table


@examples(150, **SETTINGS)
@given(
    any_tables(),
    st.sampled_from([",", ";", "\t", "|", "^", "~"]),
    st.booleans(),
    st.sampled_from(["cp1252", "latin-1", "cp1250", "cp1251", "shift_jis", "euc_kr", "gb18030"]),
    st.sampled_from(["pandas", "polars"]),
)
def test_any_table_of_a_pinned_encoding_is_read_back_whoever_wrote_it(
    table: Table, delimiter: str, always: bool, encoding: str, writer: str
) -> None:
    columns = [f"c{at}" for at in range(len(table[0]))]
    try:
        data = "".join(cell for row in table for cell in row).encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    # Both writers leave a carriage return unquoted, and pandas a cell of nothing in a row of one.
    always = always or any("\r" in cell for row in table for cell in row)
    written = Written(delimiter, always=always or len(columns) == 1, encoding=encoding)
    data = (written.by_pandas if writer == "pandas" else written.by_polars)([columns, *table])
    try:
        found = read(data, delimiter=delimiter, quote='"', header=1, footer=0, encoding=encoding)
    except UnreadableFile:
        assert not data.isascii()  # it looks like UTF-8 that was damaged
        return
    if not _is_utf8(data):
        assert found == [columns, *table]


def _is_utf8(data: bytes) -> bool:
    """What is UTF-8 is read so, whatever its feed says, and that is told."""
    try:
        return not data.isascii() and bool(data.decode())
    except UnicodeDecodeError:
        return False


# What tables look like: names, and columns of words, texts, numbers and dates.
WORDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzäéßñø"), min_size=2, max_size=8)
NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=2, max_size=8)
TEXTS = st.lists(WORDS, min_size=1, max_size=5).flatmap(
    lambda words: st.sampled_from([" ", ", ", "; ", " - ", "'", "/", ": ", ' "', "\n", " | "]).map(
        lambda by: by.join(words)
    )
)
INTEGERS = st.integers(-9999, 999_999).map(str)
NUMBERS = st.decimals(-9999, 9999, places=2, allow_nan=False).map(lambda number: f"{number:.2f}")
COMMAS = NUMBERS.map(lambda text: text.replace(".", ","))
DATES = st.dates().map(str) | st.dates().map(lambda day: f"{day:%d.%m.%Y}")
TIMES = st.datetimes().map(lambda when: f"{when:%Y-%m-%d %H:%M:%S}")
KINDS = [WORDS, TEXTS, INTEGERS, NUMBERS, COMMAS, DATES, TIMES, WORDS | st.just("")]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Names and rows of a table that looks like one."""
    names = draw(st.lists(NAMES, min_size=2, max_size=7, unique=True))
    kinds = [draw(st.sampled_from([INTEGERS, NUMBERS, DATES])), *(draw(st.sampled_from(KINDS)) for _ in names[1:])]
    return [names, *draw(st.lists(st.tuples(*kinds).map(list), min_size=3, max_size=20))]


def is_seen(data: bytes, table: Table) -> bool:
    """Whether anybody sees that what is read is not what was written: other names, or rows that are reported."""
    with folder() as path:
        found = opened(path, data)
        ragged = sum(block.ragged.num_rows for block in found.reader().blocks())
        return ragged > 0 or list(found.layout.names) != table[0]


@examples(400, **SETTINGS)
@given(
    tables(),
    st.builds(
        Written,
        delimiter=st.sampled_from([",", ";", "\t", "|", "^", "~", "||", "~|~"]),
        always=st.booleans(),
        end=ENDS,
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"]),
        above=st.sampled_from(["", "\n\n", "Sales of May\n\n", "Sales of May\nby region\n"]),
        below=st.sampled_from(["", "\n", "\nEnd of report\n", "(7 rows)\n"]),
        blanks=st.booleans(),
        packing=PACKED,
    ),
)
def test_a_table_of_any_dialect_is_told_from_itself(table: Table, written: Written) -> None:
    if len(written.delimiter) > 1:
        assume(not any(written.delimiter in cell for row in table for cell in row))
        written = Written(written.delimiter, always=True, end=written.end, encoding=written.encoding)
    table = [[cell.replace("\n", written.end) for cell in row] for row in table]
    if written.end == "\n":
        table = [[cell.replace("\r", "") for cell in row] for row in table]
    assert read(written.by_csv(table)) == table


@examples(200, **SETTINGS)
@given(tables(), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(['"', "'"]), st.sampled_from([None, "\\"]))
def test_quotes_and_escapes_are_told_or_it_is_seen(
    table: Table, delimiter: str, quote: str, escape: str | None
) -> None:
    data = Written(delimiter, quote, escape, always=True).by_csv(table)
    assert read(data) == table or is_seen(data, table)


@examples(100, **SETTINGS)
@given(tables(), st.sampled_from([",", ";", "\t", "|"]), st.booleans(), st.sampled_from(["pandas", "polars"]), ENDS)
def test_what_pandas_and_polars_write_is_told_from_itself(
    table: Table, delimiter: str, always: bool, writer: str, end: str
) -> None:
    if writer == "polars":
        end = "\n"
    if end == "\r":
        always = True  # pandas does not quote the line ends that are not its own
    written = Written(delimiter, always=always, end=end)
    assert read((written.by_pandas if writer == "pandas" else written.by_polars)(table)) == table


@examples(100, **SETTINGS)
@given(tables(), st.sampled_from([",", ";", "\t", "|"]), ENDS)
def test_columns_that_the_feed_names_need_no_header(table: Table, delimiter: str, end: str) -> None:
    data = Written(delimiter, end=end, always=True).by_csv(table[1:])
    assert read(data, columns=table[0], header=0) == table[1:]
