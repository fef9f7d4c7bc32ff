from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.formats.plain import SEPARATOR, PlainWriter, text, typed
from ingester.formats.plain_columns import escaped, lines, typed_column
from ingester.formats.rewritten import Rewritten
from tests.plain_form import Typed, by_line, rows
from tests.scratch import scratch_root

#: What is in the way of the plain form more often than chance would have it.
cells = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\x1a\x1f\n\r"\ufeffABCDEFTXZ')))
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6))


@cache
def _folder() -> Path:
    """For all examples of this process."""
    return Path(mkdtemp(dir=scratch_root()))


@given(tables)
def test_any_text_comes_back(table: list[list[str]]) -> None:
    path = _folder() / "plain"
    with PlainWriter(path, len(table[0]) if table else 1, Limits()) as writer:
        for row in table:
            writer.write([text(cell) for cell in row])
    assert rows(path) == table
    raw = path.read_bytes().decode()
    columns = list(zip(*(line.split(SEPARATOR) for line in raw.split("\n")[:-1]), strict=True))
    batch = pa.record_batch(
        [pa.array(column, pa.string()) for column in columns], names=[str(place) for place in range(len(columns))]
    )
    restored, typed_cells = Rewritten(escaped=True).restore(batch)
    assert [list(row.values()) for row in restored.to_pylist()] == table
    assert typed_cells == {}


@given(tables)
def test_whole_columns_are_written_as_single_cells_are(table: list[list[str]]) -> None:
    path, other = _folder() / "cells", _folder() / "columns"
    width = len(table[0]) if table else 1
    with PlainWriter(path, width, Limits()) as writer:
        for row in table:
            writer.write([text(cell) for cell in row])
    with PlainWriter(other, width, Limits()) as writer:
        columns = [escaped(pa.array([row[place] for row in table], pa.string())) for place in range(width)]
        writer.write_lines(lines(columns, 10_000, 1), len(table))
    assert path.read_bytes() == other.read_bytes()


def test_typed_cells_are_told_from_text_that_looks_like_them() -> None:
    column = pa.array([typed("12"), text("\x1aT12"), "12", ""])
    restored, typed_cells = Rewritten(escaped=True).restore(pa.record_batch([column], names=["0"]))
    assert restored.column(0).to_pylist() == ["12", "\x1aT12", "12", ""]
    assert typed_cells[0].tolist() == [True, False, False, False]
    assert typed_column(pa.array(["12", None])).to_pylist() == [typed("12"), None]


def test_blank_lines_keep_the_numbers_of_lines(tmp_path: Path) -> None:
    with PlainWriter(tmp_path / "plain", 1, Limits()) as writer:
        writer.write([typed("1")], 3)
        writer.write([""], 4)
        writer.skip_to(9)
        writer.write_lines(memoryview(b"x\ny\n"), 2)
        writer.write(["z"])
    assert by_line(tmp_path / "plain") == {3: [Typed("1")], 4: [""], 9: ["x"], 10: ["y"], 11: ["z"]}


def test_a_broken_record_has_more_cells_than_any_row_and_is_given_back_as_sent(tmp_path: Path) -> None:
    with PlainWriter(tmp_path / "plain", 2, Limits()) as writer:
        writer.write_broken('{"a": ', 2)
    (row,) = (tmp_path / "plain").read_text().splitlines()
    cells = row.split(SEPARATOR)
    assert len(cells) == 3
    restored, _ = Rewritten(escaped=True).restore(pa.record_batch([pa.array(cells[:1])], names=["0"]))
    assert restored.column(0).to_pylist() == ['{"a": ']


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(rows=2), "over 2 rows"),
        (Limits(columns=2), "3 columns; at most 2"),
        (Limits(cell_bytes=2**20), "a cell of over 1 MiB in row 3"),
        (Limits(cell_bytes=1000), "a cell of over 1000 bytes in row 3"),
        (Limits(cell_bytes=2**10 + 2**9), "a cell of over 1.5 KiB in row 3"),
        (Limits(unpacked_bytes=2**20), "over 1 MiB as a table"),
    ],
)
def test_limits_hold(tmp_path: Path, limits: Limits, reason: str) -> None:
    def write() -> None:
        with PlainWriter(tmp_path / "plain", 3, limits) as writer:
            for row in (["a", "b", "c"], ["d", "e", "f"], ["g", "h", "ü" * 600_000]):
                writer.write(row)

    with pytest.raises(UnreadableFile, match=reason) as refused:
        write()
    assert refused.value.code == "too_large"


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    def write() -> None:
        with PlainWriter(tmp_path / "plain", 1, Limits()) as writer:
            writer.write(["\ud800"])

    with pytest.raises(UnreadableFile, match="half a character"):
        write()
