from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ingester.domain.errors import UnreadableFile
from ingester.formats.opening import open_drop
from ingester.formats.rows import piece as piece_module
from ingester.formats.rows.piece import Piece
from ingester.formats.rows.row_index import RowIndex
from ingester.formats.text.delimited import DelimitedReader
from ingester.formats.text.layout import Layout
from ingester.formats.text.selection import Selection


def laid_out(path: Path) -> Layout:
    return open_drop(path, path.name, path.parent).layout


def reader_of(tmp_path: Path, data: bytes, block_bytes: int = 8 << 20) -> DelimitedReader:
    path = tmp_path / "file.csv"
    path.write_bytes(data)
    return DelimitedReader(laid_out(path), block_bytes=block_bytes)


def as_it_is(found: Selection) -> Selection:
    return found


def numbered(total: int, *rows: int) -> npt.NDArray[np.bool_]:
    """A mask of the rows with these numbers, in a file of `total`."""
    mask = np.zeros(total + 1, np.bool_)
    mask[list(rows)] = True
    return mask


def rows_of(reader: DelimitedReader) -> list[tuple[int, int, list[str]]]:
    return [
        (row, line, list(cells))
        for block in reader.blocks()
        for row, line, *cells in zip(
            block.rows.to_pylist(),
            block.lines.to_pylist(),
            *(column.to_pylist() for column in block.table.columns),
            strict=True,
        )
    ]


def ragged_of(reader: DelimitedReader) -> list[tuple[int, int, int]]:
    return [tuple(row.values()) for block in reader.blocks() for row in block.ragged.to_pylist()]


def test_header_names_are_trimmed_and_may_be_quoted_or_come_twice(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b'\xef\xbb\xbf" id", name,"a ""b"", c",name,\n1,2,3,4,5\n')
    assert reader.header == ["id", "name", 'a "b", c', "name", ""]


def test_a_header_alone_is_a_file_of_no_rows(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b"id,name")
    assert rows_of(reader) == []
    assert (reader.total_rows, reader.truncated) == (0, None)


def test_lines_count_blank_lines_and_line_breaks_in_quotes_rows_do_not(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b'\na,b\r\n\r\n1,"x\r\ny"\r\n\r\n2,z\r\n')
    assert rows_of(reader) == [(1, 4, ["1", "x\r\ny"]), (2, 7, ["2", "z"])]


def test_a_ragged_row_leaves_the_rows_around_it_intact(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b"a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert rows_of(reader) == [(1, 2, ["1", "2"]), (4, 5, ["7", "8"])]
    assert ragged_of(reader) == [(2, 3, 1), (3, 4, 3)]


def test_rows_are_read_again_as_they_were_sent(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b'a,b\n1,"x""y"\n3\n4,5,6\n"7"x,8\n9,10\n', block_bytes=8)
    list(reader.blocks())
    found = {
        row: [column[index].as_py() for column in found.cells.columns]
        for found in reader.map_rows(numbered(5, 1, 2, 3, 4), as_it_is)
        for index, row in enumerate(found.rows.tolist())
    }
    assert found == {1: ["1", 'x"y'], 2: ["3", ""], 3: ["4", "5,6"], 4: ['"7"x', "8"]}


@pytest.mark.parametrize("block_bytes", [8, 30, 8 << 20])
def test_rows_are_the_same_whether_they_are_looked_for_again_or_not(tmp_path: Path, block_bytes: int) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b'a,b\n1,"x\n""y"\r\n\n3\n4,5,6\n"7"x,8\n9,10\n\n11,"1\n2"\n13,5" pipe')
    readers = [
        DelimitedReader(laid_out(path), block_bytes=block_bytes, index=index) for index in (None, tmp_path / "index")
    ]
    for reader in [*readers, readers[1]]:
        list(reader.blocks())
    total = readers[0].total_rows
    for wanted in (numbered(total, *range(1, total + 1)), numbered(total, 1, total), numbered(total, 3, 6)):
        searched, known = (
            [
                (row, line, [column[index].as_py() for column in found.cells.columns])
                for found in reader.map_rows(wanted, as_it_is)
                for index, (row, line) in enumerate(zip(found.rows.tolist(), found.lines.tolist(), strict=True))
            ]
            for reader in readers
        )
        assert searched == known
        assert [row for row, _, _ in known] == np.flatnonzero(wanted).tolist()


@pytest.mark.parametrize("rows", [10, 100_000])
def test_an_index_that_does_not_fit_on_the_disk_is_an_error_that_may_pass(rows: int) -> None:
    piece = Piece(0, b"", b"", np.arange(rows), None, 1, 1, rows)
    with pytest.raises(OSError, match="No space"):
        RowIndex(Path("/dev/full")).keep(piece)


def test_only_blocks_that_hold_wanted_rows_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = reader_of(tmp_path, b"a,b\n" + b"123,456\n" * 1000, block_bytes=800)
    list(reader.blocks())
    read = []

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        read.append(offset)
        return pread(descriptor, size, offset)

    pread = os.pread
    monkeypatch.setattr(os, "pread", counted)
    assert list(reader.map_rows(numbered(1000, 5, 6, 950), lambda found: found.rows.tolist())) == [[5, 6], [950]]
    assert len(read) == 2


def test_an_unclosed_quote_costs_its_line_when_the_lines_after_it_read_cleanly(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b'id,name,city\n1,"Ann,Oslo\n2,Bob,Rome\n3,"Cy",Bonn\n4,Di,Bern\n')
    assert rows_of(reader) == [
        (2, 3, ["2", "Bob", "Rome"]),
        (3, 4, ["3", "Cy", "Bonn"]),
        (4, 5, ["4", "Di", "Bern"]),
    ]
    assert ragged_of(reader) == [(1, 2, 0)]
    assert reader.truncated is None


def test_lines_that_may_be_the_inside_of_a_broken_cell_are_never_loaded(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b'id,note\n1,"first\nsecond "word" here, and more"\n2,x\n')
    assert rows_of(reader) == [(3, 4, ["2", "x"])]
    assert ragged_of(reader) == [(1, 2, 0), (2, 3, 0)]


def test_a_quote_inside_an_unquoted_cell_is_a_character(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b'id,size\n1,5" pipe\n2,"6"" pipe"\n')
    assert rows_of(reader) == [(1, 2, ["1", '5" pipe']), (2, 3, ["2", '6" pipe'])]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a,b\n1,2\n3", "line 3 ends after 1 of 2 cells, without a line end"),
        (b'a,b\n1,2\n3,"x', "the quote that opens on line 3 never closes"),
        (b'a,b\n1,2\n3,"x\ny\n', "the quote that opens on line 3 never closes"),
        (b"a,b\n1,2\n3,", None),
        (b"a,b\n1\n3,4", None),
        (b"a,b\n1,2\n3\n", None),
        (b"a,b\n1,2\n3,4,5", None),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_a_last_record_that_looks_cut_off_is_told(
    tmp_path: Path, data: bytes, reason: str | None, block_bytes: int
) -> None:
    reader = reader_of(tmp_path, data, block_bytes)
    list(reader.blocks())
    assert reader.truncated == reason


def test_a_quoted_cell_that_does_not_end_within_the_limit_is_refused_not_swallowed(tmp_path: Path) -> None:
    data = b'a,b\n1,"' + b"a line without a separator\n" * (20 << 20 >> 4)
    with pytest.raises(UnreadableFile, match="line 2 does not end within 16 MiB") as caught:
        list(reader_of(tmp_path, data).blocks())
    assert caught.value.code == "unreadable_file"


def test_an_unclosed_quote_before_millions_of_clean_lines_costs_one_line(tmp_path: Path) -> None:
    clean = 2_000_000
    reader = reader_of(tmp_path, b'a,b\n1,"x\n' + b"12345,6789\n" * clean)
    assert sum(block.table.num_rows for block in reader.blocks()) == clean
    assert ragged_of(reader) == [(1, 2, 0)]


def test_a_row_over_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="line 3 does not end within 16 MiB"):
        list(reader_of(tmp_path, b"a,b\n1,2\n" + b"x" * (17 << 20)).blocks())


def test_a_row_longer_than_a_block_is_read(tmp_path: Path) -> None:
    note = "é\n" * 50_000
    reader = reader_of(tmp_path, f'a,b\n1,"{note}"\n2,y\n'.encode(), block_bytes=1000)
    assert rows_of(reader) == [(1, 2, ["1", note]), (2, 50_003, ["2", "y"])]


def test_broken_quotes_in_a_header_that_is_not_as_wide_as_the_rows_make_the_file_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="header"):
        reader_of(tmp_path, b'a,"b\n1,2,3\n')


def test_work_on_blocks_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b"a,b\n" + b"1,2\n" * 500, block_bytes=40)
    assert list(reader.map(lambda block: block.first_row)) == list(range(1, 501, 10))


def test_reading_can_stop_early_and_start_again(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, b"a,b\n" + b"1,2\n" * 500, block_bytes=40)
    next(reader.blocks())
    assert sum(block.table.num_rows for block in reader.blocks()) == 500


@pytest.mark.parametrize("first", ["", f"{'x' * 300_000}\n"])
def test_short_rows_make_small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    monkeypatch.setattr(piece_module, "_MOST_ROWS", 5_000)
    path = tmp_path / "short.csv"
    path.write_text("n\n" + first + "".join(f"{number % 10}\n" for number in range(400_000)))
    blocks = list(DelimitedReader(laid_out(path), block_bytes=1 << 23).blocks())
    assert max(len(block.rows) for block in blocks) <= 70_000
    assert np.concatenate([block.rows.to_numpy() for block in blocks]).tolist() == list(range(1, 400_001 + bool(first)))
