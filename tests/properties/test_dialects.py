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
import pytest
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

# What a cell may hold, above all what stands between and around cells. Control characters that rewritten text needs for
# itself refuse the file, which other tests show.
ANY_CELL = st.text(st.sampled_from("ab,;\t|^~:#§ '\"\\\n\r=-1.é\u00a0\ufeff☃𝄞"), max_size=6) | st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0\x1c\x1d\x1f"), max_size=6
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
