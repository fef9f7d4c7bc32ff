from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.records.fixed import transcribe
from ingester.formats.transcribed import Transcribed
from tests.plain_form import Typed, by_line
from tests.scratch import scratch_root

TWO = Reads(widths=(4, 6))
NAMED = Reads(widths=(4, 6), columns=("id", "name"))


def read(
    path: Path, data: bytes, reads: Reads, limits: Limits | None = None
) -> tuple[Transcribed, dict[int, list[str | Typed]]]:
    source, target = path / "source", path / "plain"
    source.write_bytes(data)
    return transcribe(source, target, reads, limits or Limits()), by_line(target)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_are_cut_at_their_widths_and_blanks_around_cells_go(tmp_path: Path, end: bytes) -> None:
    found, table = read(tmp_path, end.join([b"id  name  ", b"0001Ann   ", b"   2    Bo", b""]), TWO)
    assert (found.names, found.header_row, found.first_line, found.rows) == (("id", "name"), 1, 2, 2)
    assert table == {2: ["0001", "Ann"], 3: ["2", "Bo"]}


def test_a_line_without_its_last_blanks_is_whole(tmp_path: Path) -> None:
    assert read(tmp_path, b"0001Ann\n0002\n3\n", NAMED)[1] == {1: ["0001", "Ann"], 2: ["0002", ""], 3: ["3", ""]}


def test_a_longer_line_has_a_cell_too_many_unless_it_is_blanks(tmp_path: Path) -> None:
    table = read(tmp_path, b"0001Ann      \n0002Bo    xy\n0003Cy    \n", NAMED)[1]
    assert table == {1: ["0001", "Ann"], 2: ["0002", "Bo", "xy"], 3: ["0003", "Cy"]}


def test_blank_lines_and_the_end_mark_are_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, b"0001Ann   \n\n          \n0004Di    \n\x1a", NAMED)[1] == {
        1: ["0001", "Ann"],
        4: ["0004", "Di"],
    }


def test_widths_are_characters(tmp_path: Path) -> None:
    assert read(tmp_path, "0001Änné  x\n".encode(), Reads(widths=(4, 6, 1), columns=("a", "b", "c")))[1] == {
        1: ["0001", "Änné", "x"]
    }
    reads = Reads(widths=(4, 6), columns=("a", "b"), encoding="shift_jis")
    assert read(tmp_path, "0001日本語   \n".encode("shift_jis"), reads)[1] == {1: ["0001", "日本語"]}
    with pytest.raises(UnreadableFile, match="byte 5"):
        read(tmp_path, b"0001A\xffn   \n", NAMED)


THREE = Reads(widths=(6, 4, 4), columns=("name", "amount", "unit"))
MAINFRAME = ["日本  1250kg  ", "ab    1251lb  ", "東京都   7g   "]


@pytest.mark.parametrize("encoding", ["shift_jis", "cp932", "euc_jp", "gb18030"])
def test_widths_are_bytes_where_lines_are_filled_up_to_so_many(tmp_path: Path, encoding: str) -> None:
    data = "\r\n".join([*MAINFRAME, ""]).encode(encoding)
    for reads in (THREE, Reads(widths=THREE.widths)):
        head = "name  amntunit\r\n".encode(encoding) if reads.columns is None else b""
        found, table = read(tmp_path, head + data, reads.model_copy(update={"encoding": encoding}))
        assert list(table.values()) == [["日本", "1250", "kg"], ["ab", "1251", "lb"], ["東京都", "7", "g"]]
    assert found.names == ("name", "amnt", "unit")


def test_widths_are_bytes_of_utf_8_too_and_what_is_behind_them_may_be_blank(tmp_path: Path) -> None:
    filled = ["Jürg 1250kg  ", "ab    1251lb  ", "Zoë  7   g   "]
    for behind in ("", "    "):
        table = read(tmp_path, "".join(f"{line}{behind}\n" for line in filled).encode(), THREE)[1]
        assert [row[0] for row in table.values()] == ["Jürg", "ab", "Zoë"]
        assert [row[1] for row in table.values()] == ["1250", "1251", "7"]


def test_lines_that_lost_their_blanks_say_nothing_of_bytes(tmp_path: Path) -> None:
    reads = Reads(widths=(6, 6), columns=("name", "unit"))
    lines = ["Zoë   abcde", "Ann   abc", "Bo    abcdef", "Jürg  kg", "Zoë   abcdef"]
    table = read(tmp_path, "\n".join(lines).encode(), reads)[1]
    assert list(table.values()) == [line.split() for line in lines]


def test_where_nobody_can_tell_whether_widths_are_bytes_the_file_is_refused(tmp_path: Path) -> None:
    for lines in (
        ["日本    1250  ", "日本      1250  "],  # once by bytes, once by characters
        ["日本      1250"],
    ):
        with pytest.raises(UnreadableFile, match="fill all lines up"):
            read(
                tmp_path,
                "\n".join(lines).encode("shift_jis"),
                Reads(widths=(10, 4), columns=("a", "b"), encoding="shift_jis"),
            )
    lines = ["a日本 123", "abcde 123", "bcdef 123"]
    with pytest.raises(UnreadableFile, match="line 1 they cut a character in two"):
        read(
            tmp_path,
            "\n".join(lines).encode("shift_jis"),
            Reads(widths=(2, 7), columns=("a", "b"), encoding="shift_jis"),
        )


def test_a_feed_says_where_the_header_is_and_how_long_the_footer(tmp_path: Path) -> None:
    data = b"Export of\n\nid  name  \n0001Ann   \n0002Bo    \nTOTAL    2\n"
    found, table = read(tmp_path, data, Reads(widths=(4, 6), header=3, footer=1))
    assert (found.names, found.header_row, table) == (("id", "name"), 3, {4: ["0001", "Ann"], 5: ["0002", "Bo"]})
    with pytest.raises(UnreadableFile, match="no header"):
        read(tmp_path, data, Reads(widths=(4, 6), header=2))


@pytest.mark.parametrize(
    ("limits", "code"),
    [(Limits(rows=1), "too_large"), (Limits(columns=1), "too_large"), (Limits(cell_bytes=3), "too_large")],
)
def test_limits_hold(tmp_path: Path, limits: Limits, code: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, b"0001Ann   \n0002Bo    \n" + b"x" * 100, NAMED, limits)
    assert refused.value.code == code


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('aäZ09-"\x1a\x1f,;'), min_size=1, max_size=5), min_size=3, max_size=3),
        max_size=8,
    ),
    st.booleans(),
)
def test_any_table_comes_back(table: list[list[str]], whole: bool) -> None:
    lines = ["".join(cell.ljust(5) for cell in row) for row in table]
    sent = [line if whole else line.rstrip(" ") for line in lines]
    # Without their last blanks these may have been filled up in bytes.
    assume(not any(len(line) < 15 == len(line.encode()) for line in sent))
    data = "\n".join(sent)
    path = scratch_root() / "fixed"
    path.mkdir(exist_ok=True)
    _, found = read(path, data.encode(), Reads(widths=(5, 5, 5), columns=("a", "b", "c")))
    # A mark at the very end of a line that is nothing else would be the end of the file.
    assert list(found.values()) == [row for row in table if "".join(row).strip("\x1a ")]
