from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ingester.domain.errors import UnreadableFile
from ingester.formats.detect import SAMPLE_BYTES, detect


def file_of(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_the_header_and_most_rows_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "name", "price"], ["1", '"a, b; c|d\te"', "x"], ["2", "b", "y"]]
    data = "\n".join(delimiter.join(row) for row in rows)
    assert detect(file_of(tmp_path, data.encode())).delimiter == delimiter


def test_decimal_commas_do_not_make_a_semicolon_file_comma_separated(tmp_path: Path) -> None:
    assert detect(file_of(tmp_path, b"id;price;tax\n1;1,50;0,10\n2;2,50;0,20\n")).delimiter == ";"


def test_one_column_is_a_comma_file(tmp_path: Path) -> None:
    assert detect(file_of(tmp_path, b"id\n1\n2\n")).delimiter == ","


def test_what_was_detected_has_the_keys_of_the_status_file(tmp_path: Path) -> None:
    assert detect(file_of(tmp_path, b"\xef\xbb\xbf\r\n\r\na;b\r\n1;2\r\n")).to_json() == {
        "format": "csv",
        "container": None,
        "encoding": "utf-8-sig",
        "delimiter": ";",
        "quote": '"',
        "header_row": 3,
        "sheet": None,
    }


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_a_file_without_bytes_is_empty(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFile) as caught:
        detect(file_of(tmp_path, data))
    assert caught.value.code == "empty_file"


def test_a_file_of_blank_lines_has_no_header(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as caught:
        detect(file_of(tmp_path, b"\r\n\n"))
    assert caught.value.code == "missing_header"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"a,b\n", mtime=0), "gzip"),
        (b"PK\x03\x04rest", "zip"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        (bytes(range(256)) * 4 + bytes(100), "binary"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason) as caught:
        detect(file_of(tmp_path, data))
    assert caught.value.code == "unreadable_file"


def test_a_single_nul_is_the_fault_of_its_cell_not_of_the_file(tmp_path: Path) -> None:
    assert detect(file_of(tmp_path, b"a,b\n1,x\x00y\n")).delimiter == ","


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_no_utf8_is_named_by_its_offset_in_the_file(tmp_path: Path, bom: bytes) -> None:
    with pytest.raises(UnreadableFile, match=rf"byte {len(bom) + 5}\)") as caught:
        detect(file_of(tmp_path, bom + b"a,b\nM\xfcller,x\n"))
    assert caught.value.code == "invalid_encoding"


@pytest.mark.parametrize("shift", range(4))
def test_a_character_at_the_end_of_the_sample_is_no_fault(tmp_path: Path, shift: int) -> None:
    data = b"a,b\n" + b"x" * (SAMPLE_BYTES - 6 - shift) + "😀😀,y\n".encode()
    assert detect(file_of(tmp_path, data)).encoding == "utf-8"
