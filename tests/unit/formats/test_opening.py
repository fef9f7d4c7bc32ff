"""What a file is told to be, from the file alone or with what its feed says."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.formats.text.encoding import SAMPLE_BYTES, tell_late
from tests.opened import opened, rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", "||", "::", "~|~", "|~|", "§", "\x01", "\x1f"])
def test_the_delimiter_that_makes_an_even_table_is_found(tmp_path: Path, delimiter: str) -> None:
    table = [["id", "name", "price"], ["1", '"a, b; c|d\te"', "2.50"], ["2", "b", "3"]]
    found = opened(tmp_path, "\n".join(delimiter.join(row) for row in table))
    assert found.detected.delimiter == delimiter
    assert rows(found) == [["id", "name", "price"], ["1", "a, b; c|d\te", "2.50"], ["2", "b", "3"]]


def test_decimal_commas_do_not_make_a_semicolon_file_comma_separated(tmp_path: Path) -> None:
    assert opened(tmp_path, "id;price;tax\n1;1,50;0,10\n2;2,50;0,20\n").detected.delimiter == ";"


def test_times_do_not_make_a_comma_file_colon_separated(tmp_path: Path) -> None:
    assert opened(tmp_path, "id,from,to\n1,10:00:00,11:30:00\n2,12:00:00,13:30:00\n").detected.delimiter == ","


@pytest.mark.parametrize(
    "lines",
    [
        ["09:15", "10:30", "23:05"],
        ["DELIVER IN PERSON", "TAKE BACK RETURN", "COLLECT COD PARCEL"],
        ["Full Name", "Ada Lovelace", "Alan Turing"],
        ["2024-05-01 10:00:00", "2024-05-02 11:30:00"],
    ],
)
def test_times_and_words_of_one_column_are_not_divided(tmp_path: Path, lines: list[str]) -> None:
    assert rows(opened(tmp_path, "\n".join(lines)))[-1] == [lines[-1]]


def test_words_that_every_one_of_many_lines_divides_alike_are_two_columns(tmp_path: Path) -> None:
    edges = "".join(f"from{chr(97 + n % 26)} to{chr(97 + n // 26)}\n" for n in range(60))
    assert opened(tmp_path, edges).detected.delimiter == " "


def test_a_weak_delimiter_does_not_beat_one_that_rows_of_differing_lengths_have(tmp_path: Path) -> None:
    text = "A:1:UN:x;GRP;M;1\nB:1:UN:y;GRP;M;1;SEG;C;9\nC:1:UN:z;GRP;M;1\n"
    assert opened(tmp_path, text).detected.delimiter == ";"


def test_a_comma_after_text_is_none_of_a_number(tmp_path: Path) -> None:
    text = "North | Hill,4252,2433\nSouth | Hill,71,41\nEast | Lake,71,40\n"
    assert opened(tmp_path, text).detected.delimiter == ","


def test_an_empty_cell_makes_no_delimiter_of_two_characters(tmp_path: Path) -> None:
    found = opened(tmp_path, "0||test\n1||x\n2|y|z\n3||w\n4|v|u\n")
    assert (found.detected.delimiter, rows(found)[-1]) == ("|", ["4", "v", "u"])


def test_cells_may_stand_in_backticks(tmp_path: Path) -> None:
    found = opened(tmp_path, "`id`,`name`\n`1`,`a,b`\n`2`,`the ``x```\n")
    assert (found.detected.quote, rows(found)[1:]) == ("`", [["1", "a,b"], ["2", "the `x`"]])


def test_a_header_of_several_names_is_not_one_column_however_uneven_the_rows_are(tmp_path: Path) -> None:
    assert opened(tmp_path, "id,name,land,city\n1,eng\n1,eng\n\n2,ger,1,2,3\n").detected.delimiter == ","


def test_one_column_is_a_comma_file(tmp_path: Path) -> None:
    assert opened(tmp_path, "id\n1\n2\n").detected.delimiter == ","


def test_what_was_detected_has_the_keys_of_the_status_file(tmp_path: Path) -> None:
    assert opened(tmp_path, b"\xef\xbb\xbf\r\n\r\na;b\r\n1;2\r\n").detected.to_json() == {
        "format": "csv",
        "container": None,
        "encoding": "utf-8-sig",
        "delimiter": ";",
        "quote": '"',
        "header_row": 3,
        "sheet": None,
    }


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_a_file_without_bytes_is_empty(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFile) as caught:
        opened(tmp_path, data)
    assert caught.value.code == "empty_file"


def test_a_file_of_blank_lines_has_no_header(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as caught:
        opened(tmp_path, b"\r\n\n")
    assert caught.value.code == "missing_header"


def test_a_file_as_it_should_be_is_read_where_it_is(tmp_path: Path) -> None:
    found = opened(tmp_path, 'id;name\n1;"x;y"\n2;z\n')
    assert (found.layout.path, found.layout.rewritten, found.remarks) == (tmp_path / "drop", None, ())


def test_a_line_that_names_the_delimiter_is_no_row(tmp_path: Path) -> None:
    found = opened(tmp_path, "sep=;\r\nid;a,b\r\n1;2,5\r\n")
    assert (found.detected.header_row, rows(found)) == (2, [["id", "a,b"], ["1", "2,5"]])


def test_single_quotes_may_stand_around_cells(tmp_path: Path) -> None:
    found = opened(tmp_path, "'id','name'\n'1','O''Neil, \"Al\"'\n'2','x\ny'\n")
    assert found.detected.quote == "'"
    assert rows(found) == [["id", "name"], ["1", 'O\'Neil, "Al"'], ["2", "x\ny"]]


def test_an_apostrophe_is_a_letter_like_others(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name\n1,O'Neil\n2,'t Hooft\n3,d'Or\n")
    assert (found.detected.quote, rows(found)[2]) == ('"', ["2", "'t Hooft"])


def test_a_backslash_may_take_the_meaning_from_a_quote(tmp_path: Path) -> None:
    data = 'id,name,size\n1,"5\\" pipe, long",2\n2,"back\\\\slash",3\n3,"x",4\n'
    found = opened(tmp_path, data)
    assert rows(found)[1:] == [["1", '5" pipe, long', "2"], ["2", "back\\slash", "3"], ["3", "x", "4"]]


def test_a_backslash_is_a_letter_where_quotes_are_doubled(tmp_path: Path) -> None:
    data = 'id,path\n1,"C:\\dir\\new"\n2,"say ""hi"""\n3,C:\\tmp\n'
    assert rows(opened(tmp_path, data))[1:] == [["1", "C:\\dir\\new"], ["2", 'say "hi"'], ["3", "C:\\tmp"]]


def test_an_escaped_delimiter_and_line_end_belong_to_the_cell(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name\n1,a\\,b\n2,c\\\nd\n", quote="none", escape="\\")
    assert rows(found) == [["id", "name"], ["1", "a,b"], ["2", "c\nd"]]


def test_quotes_mean_nothing_where_the_feed_says_so(tmp_path: Path) -> None:
    found = opened(tmp_path, 'id,name\n1,"a\n2,b"c\n', quote="none")
    assert rows(found) == [["id", "name"], ["1", '"a'], ["2", 'b"c']]


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1252", "id;name;city\n1;Müller;Köln\n2;Jäger €;Zürich\n"),
        ("cp1252", "id;nom;ville\n1;Béranger;Nîmes\n2;Lefèvre;Orléans\n"),
        ("cp1250", "id;imię;miasto\n1;Łukasz;Łódź\n2;Zażółć;Kraków\n3;Brzęczyszczykiewicz;Gdańsk\n"),
        ("cp1251", "id;имя;город\n1;Иван;Москва\n2;Пётр;Санкт-Петербург\n"),
        ("koi8-r", "id;имя;город\n1;Иван;Москва\n2;Пётр;Санкт-Петербург\n"),
        ("cp1253", "id;όνομα;πόλη\n1;Γιώργος;Αθήνα\n"),
        ("cp1254", "id;ad;şehir\n1;Ayşe Y\u0131lmaz;İstanbul\n2;Çağr\u0131 Öztürk;Eskişehir\n"),
        ("shift_jis", "id,名前,都市\n1,田中太郎,東京\n2,鈴木花子,大阪\n"),
        ("gb18030", "id,姓名,城市\n1,王小明,北京\n2,李华,上海\n"),
        ("big5", "id,姓名,城市\n1,王小明,臺北\n2,李華,高雄\n"),
        ("cp949", "id,이름,도시\n1,김철수,서울\n2,이영희,부산\n"),
    ],
)
def test_text_of_another_encoding_is_read_and_that_is_said(tmp_path: Path, codec: str, text: str) -> None:
    found = opened(tmp_path, text.encode(codec))
    delimiter = ";" if ";" in text else ","
    assert rows(found) == [line.split(delimiter) for line in text.splitlines()]
    assert [remark.code for remark in found.remarks] == ["guessed_encoding"]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_wide_text_is_read_with_and_without_its_mark(tmp_path: Path, codec: str) -> None:
    text = "id,name\r\n" + "".join(f"{number},Zoë {number}\r\n" for number in range(40))
    assert rows(opened(tmp_path, text.encode(codec)))[1:3] == [["0", "Zoë 0"], ["1", "Zoë 1"]]


def test_the_encoding_that_the_feed_says_is_no_guess(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name\n1,Łódź\n".encode("cp1250"), encoding="windows-1250")
    assert (found.detected.encoding, rows(found)[1], found.remarks) == ("cp1250", ["1", "Łódź"], ())


def test_a_file_that_is_utf8_is_read_so_whatever_the_feed_says(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name\n1,Łódź\n", encoding="cp1250")
    assert (rows(found)[1], [remark.code for remark in found.remarks]) == (["1", "Łódź"], ["dialect_deviates"])


def test_bytes_that_the_encoding_does_not_have_refuse_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="byte 10"):
        opened(tmp_path, b"id,name\n1,\x81\n", encoding="cp1252")


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_damaged_utf8_is_not_taken_for_another_encoding(tmp_path: Path, bom: bytes) -> None:
    with pytest.raises(UnreadableFile) as caught:
        rows(opened(tmp_path, bom + "id,name\n1,Zoë\n2,Jürgen\n3,".encode() + b"\xff\n4,x\n"))
    assert caught.value.code == "invalid_encoding"


def test_an_encoding_that_shows_below_the_sample_is_told_from_there(tmp_path: Path) -> None:
    path = tmp_path / "drop"
    start = b"id,name\n" + b"1,x\n" * (SAMPLE_BYTES // 2)
    path.write_bytes(start + "2,Müller\n3,Jäger\n".encode("cp1252"))
    assert tell_late(path, len(start) + 3).codec == "cp1252"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(range(256)) * 4 + bytes(100), "binary"),
        (b"%PDF-1.7 x", "PDF"),
        (b"<html><body>", "web page"),
        (b"PARE-\0\0\0", "encrypted"),
        (b"\t\4\6\0\0\0\x10\0", "Excel 4"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason) as caught:
        opened(tmp_path, data)
    assert caught.value.code == "unreadable_file"


@pytest.mark.parametrize("value", ["null", " 7\n", '"id"', "true"])
def test_json_that_is_one_value_is_no_table(tmp_path: Path, value: str) -> None:
    with pytest.raises(UnreadableFile, match="no JSON object or array, and has no rows"):
        opened(tmp_path, value, "items.json")


def test_a_single_nul_is_the_fault_of_its_cell_not_of_the_file(tmp_path: Path) -> None:
    assert opened(tmp_path, b"a,b\n1,x\x00y\n").detected.delimiter == ","


def test_lines_above_the_header_are_no_rows(tmp_path: Path) -> None:
    found = opened(tmp_path, "Customers of May\nExported by: sales\n\nid,name,amount\n1,Bob,3.5\n2,Al,4\n")
    assert (found.detected.header_row, rows(found)) == (
        4,
        [["id", "name", "amount"], ["1", "Bob", "3.5"], ["2", "Al", "4"]],
    )


def test_the_header_is_the_row_with_names_that_the_rules_know(tmp_path: Path) -> None:
    data = "region,north,2026\nid,name,price\n1,a,2\n"
    found = opened(tmp_path, data, is_known=lambda text: text in ("id", "name"))
    assert (found.detected.header_row, found.layout.names) == (2, ("id", "name", "price"))


def test_the_line_of_the_header_may_be_pinned(tmp_path: Path) -> None:
    found = opened(tmp_path, "a,b\nid,name\n1,x\n", header=2)
    assert rows(found) == [["id", "name"], ["1", "x"]]


def test_a_file_without_a_header_is_known_by_its_first_row(tmp_path: Path) -> None:
    found = opened(tmp_path, "1,2026-01-01,3.50\n2,2026-01-02,4.50\n3,2026-01-03,5.50\n")
    assert (found.detected.header_row, rows(found)[0]) == (None, ["1", "2026-01-01", "3.50"])


def test_the_feed_may_name_the_columns_of_a_file_without_a_header(tmp_path: Path) -> None:
    found = opened(tmp_path, "Bob,Berlin\nAl,Rome\n", header=0, columns="name,city")
    assert (found.layout.names, len(rows(found))) == (("name", "city"), 2)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("Person,,Place,\nfirst,last,street,city\nAl,Bo,Main,Rome\n", ("first", "last", "street", "city")),
        ("Mon,,Tue,\nfrom,to,from,to\n1,2,3,4\n", ("Mon from", "Mon to", "Tue from", "Tue to")),
        ("item,weight,height\n,(kg),(m)\nx,1,2\n", ("item", "weight", "height")),
    ],
)
def test_a_header_may_have_two_lines(tmp_path: Path, lines: str, names: tuple[str, ...]) -> None:
    found = opened(tmp_path, lines)
    assert (found.layout.names, len(rows(found))) == (names, 2)


@pytest.mark.parametrize(
    "footer", ["Total: 2\n", "\nGenerated by CRM on Monday\n", "(2 rows affected)\n", "-- end --\n"]
)
def test_what_stands_below_the_rows_is_none_and_is_told(tmp_path: Path, footer: str) -> None:
    found = opened(tmp_path, "id,name,amount\n1,Bob,3\n2,Al,4\n" + footer)
    assert rows(found)[1:] == [["1", "Bob", "3"], ["2", "Al", "4"]]
    assert [(remark.code, remark.value) for remark in found.remarks] == [("footer_skipped", footer.strip())]


def test_comments_are_no_rows_and_are_told(tmp_path: Path) -> None:
    found = opened(tmp_path, '# made by CRM\nid,name\n1,"a\n# b"\n# and on\n2,c\n')
    assert rows(found) == [["id", "name"], ["1", "a\n# b"], ["2", "c"]]
    assert [(remark.code, remark.value) for remark in found.remarks] == [
        ("comments_skipped", "# made by CRM\n# and on")
    ]


def test_rows_that_begin_as_comments_do_are_rows(tmp_path: Path) -> None:
    found = opened(tmp_path, "# made by CRM\nid,name\n#1,a\n#2,b\n")
    assert rows(found) == [["id", "name"], ["#1", "a"], ["#2", "b"]]


def test_what_begins_a_comment_may_be_pinned(tmp_path: Path) -> None:
    found = opened(tmp_path, "id;name\n//x;y\n1;a\n", comment="//")
    assert rows(found) == [["id", "name"], ["1", "a"]]


def test_comments_of_a_large_file_are_left_out_everywhere(tmp_path: Path) -> None:
    part = '1,"a\n#b",c\n# no row, "\n' + "2,b,c\n" * 1000
    found = opened(tmp_path, "# x\nid,name,n\n" + part * 700)
    table = rows(found)
    assert len(table) == 1 + 700 * 1001
    assert {tuple(row) for row in table[1:]} == {("1", "a\n#b", "c"), ("2", "b", "c")}
    assert found.remarks[0].expected == "701"


def test_a_table_that_is_drawn_has_neither_its_lines_nor_its_padding(tmp_path: Path) -> None:
    found = opened(tmp_path, '| id | name  |\n|----|:------|\n| 1  | O"x |\n|    | pear  |\n')
    assert (found.detected.quote, found.detected.header_row) == ("", 1)
    assert rows(found) == [["id", "name"], ["1", 'O"x'], ["", "pear"]]


@pytest.mark.parametrize("last", ["3", "3\n", "\n3\n", "Total,2,9\n", "3,x\n", '"Total"\n'])
def test_a_row_that_is_short_or_cut_off_is_no_footer(tmp_path: Path, last: str) -> None:
    assert len(rows(opened(tmp_path, "id,name,amount\n1,Bob,3\n2,Al,4\n" + last))) == 4


def test_rows_around_a_ragged_one_are_intact(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name,x\n1,a,b\n2,c\n3,d,e,f\n4,g,h\n")
    assert rows(found)[1:] == [["1", "a", "b"], ["2", "c"], ["3", "d", "e", "f"], ["4", "g", "h"]]


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        ("gzip", gzip.compress),
        ("bzip2", bz2.compress),
        ("xz", lzma.compress),
        ("zstd", lambda data: pa.compress(data, "zstd", asbytes=True)),
    ],
)
class TestPacked:
    DATA = b"id;name\n" + b"".join(b"%d;name %d\n" % (number, number) for number in range(20_000))

    def test_it_is_unpacked(self, tmp_path: Path, kind: str, pack: Any) -> None:
        found = opened(tmp_path, pack(self.DATA), f"file.csv.{kind}")
        assert (found.detected.container, len(rows(found))) == (kind, 20_001)

    def test_a_cut_off_one_is_refused(self, tmp_path: Path, kind: str, pack: Any) -> None:
        with pytest.raises(UnreadableFile, match=rf"{kind} (container ends too early|data is damaged)"):
            opened(tmp_path, pack(self.DATA)[:-5])

    def test_a_bomb_is_stopped(self, tmp_path: Path, kind: str, pack: Any) -> None:
        with pytest.raises(UnreadableFile, match=kind) as caught:
            opened(tmp_path, pack(bytes(50 << 20)), limits=Limits(ratio_bytes=1 << 20, ratio=20))
        assert caught.value.code == "too_large"
        assert max(path.stat().st_size for path in tmp_path.iterdir()) < 4 << 20


# What is packed with zstd here has no checksum to tell damage by.
@pytest.mark.parametrize(("kind", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)])
def test_a_damaged_container_is_refused(tmp_path: Path, kind: str, pack: Any) -> None:
    packed = bytearray(pack(TestPacked.DATA))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(UnreadableFile, match=f"its {kind} "):
        rows(opened(tmp_path, bytes(packed)))


def test_several_members_of_a_gzip_file_are_one_file(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, gzip.compress(b"id,n\n1,a\n") + gzip.compress(b"2,b\n") + bytes(512))) == [
        ["id", "n"],
        ["1", "a"],
        ["2", "b"],
    ]


def test_something_else_after_a_gzip_file_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="gzip data is damaged"):
        opened(tmp_path, gzip.compress(b"id,n\n1,a\n") + b"id,n\n2,b\n")


def test_containers_in_containers_are_counted(tmp_path: Path) -> None:
    data = b"id,n\n1,a\n"
    for _ in range(3):
        data = gzip.compress(data)
    assert opened(tmp_path, data).detected.container == "gzip+gzip+gzip"
    with pytest.raises(UnreadableFile) as caught:
        opened(tmp_path, data, limits=Limits(nesting=2))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(columns=2), "3 columns"),
        (Limits(rows=1), "over 1 rows"),
        (Limits(cell_bytes=1000), "a cell of over 1000 bytes"),
        (Limits(file_bytes=10), "at most 10 bytes"),
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_a_text_over_a_limit_is_refused_with_the_reason(
    tmp_path: Path, codec: str, limits: Limits, reason: str
) -> None:
    data = f"id,name,text\n1,a,b\n2,c,{'x' * 2000}\n".encode(codec)
    with pytest.raises(UnreadableFile, match=reason) as caught:
        rows(opened(tmp_path, data, limits=limits))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", ["|", ";", "||", "~|~"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n", "\n\x1a"])
def test_a_trailer_is_told_from_rows_in_every_dialect(tmp_path: Path, encoding: str, delimiter: str, end: str) -> None:
    if end.endswith("\x1a") and encoding == "utf-16":
        return
    table = [["id", "name", "price"], ["1", "J\u00fcrgen", "2.50"], ["2", "b", "3"]]
    text = "".join(delimiter.join(row) + "\r\n" for row in table) + delimiter.join(("TRL", "0002", "5.50")) + end
    template = delimiter.join(("TRL", "{rows}", "{sum:price}"))
    found = opened(tmp_path, text.encode(encoding), trailer=template)
    assert rows(found) == table
    assert found.layout.trailer is not None
    assert (found.layout.trailer.rows, found.layout.trailer.sums) == (2, {"price": "5.50"})
    assert [remark.code for remark in found.remarks if remark.code == "footer_skipped"] == []


def test_a_trailer_may_have_the_cells_of_a_row_and_a_footer_above_it(tmp_path: Path) -> None:
    text = "id,name\n1,a\n2,b\n-- made by us --\nEND,2\n"
    found = opened(tmp_path, text, trailer="END,{rows}", footer=1)
    assert rows(found) == [["id", "name"], ["1", "a"], ["2", "b"]]
    assert found.layout.footer == ("-- made by us --",)


def test_a_last_line_that_is_no_trailer_is_a_row(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name\n1,a\nEND,two\n", trailer="END,{rows}")
    assert found.layout.trailer is None
    assert rows(found) == [["id", "name"], ["1", "a"], ["END", "two"]]


def test_a_file_without_rows_has_a_trailer_all_the_same(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name\nEND,0\n", trailer="END,{rows}")
    assert found.layout.trailer is not None
    assert rows(found) == [["id", "name"]]


@pytest.mark.parametrize(
    "data",
    ["'id','t','u'\n'1','a','x'\n'2','it''s','y'\n", "id;t;u\n1;'00123';'x'\n2;'004';'y'\n"],
)
def test_a_column_in_apostrophes_is_quoted(tmp_path: Path, data: str) -> None:
    found = opened(tmp_path, data)
    assert found.detected.quote == "'"
    assert all("'" not in cell.replace("it's", "") for row in rows(found) for cell in row)


def test_a_row_like_the_header_further_down_is_not_the_header(tmp_path: Path) -> None:
    data = "ident,t,u\n" + "1,a,b\n" * 30 + "id,t,u\n9,c,d\n"
    found = opened(tmp_path, data, is_known=lambda text: text in ("id", "t", "u"))
    assert (found.detected.header_row, len(rows(found))) == (1, 33)


def test_lines_above_the_header_are_told(tmp_path: Path) -> None:
    found = opened(tmp_path, "Customers of May\n\nid,name,amount\n1,Bob,3.5\n2,Al,4\n")
    assert [(each.code, each.value) for each in found.remarks] == [("preamble_skipped", "Customers of May")]


def test_a_file_of_rejects_is_read_as_it_was_sent(tmp_path: Path) -> None:
    data = "id,t,_import,_row,_errors\n1,'=1+1,x,1,y\n2,'+49 170 1,x,2,y\n3,'kept,x,3,y\n4,''@a,x,4,y\n"
    assert [row[1] for row in rows(opened(tmp_path, data))[1:]] == ["=1+1", "+49 170 1", "'kept", "'@a"]


@pytest.mark.parametrize("text", ["don\u2019t", "O\u2019Neil \u2013 \u201cx\u201d", "café", "Zoë", "5 €"])
def test_a_few_western_characters_are_western(tmp_path: Path, text: str) -> None:
    found = opened(tmp_path, f"id,t\n1,{text}\n2,plain\n".encode("cp1252"))
    assert (found.detected.encoding, rows(found)[1]) == ("cp1252", ["1", text])


def test_japanese_that_is_all_ascii_is_japanese(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, "id,t\n1,東京\n".encode("iso2022_jp")))[1] == ["1", "東京"]


def test_a_footer_of_more_lines_than_there_are_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="fewer lines than the 99"):
        opened(tmp_path, "id,t\n1,a\n", footer=99)


def test_a_backslash_at_the_end_of_a_quoted_cell_is_a_letter(tmp_path: Path) -> None:
    data = 'k,a,b\n1,"x,\\",y\n2,"""q""",z\n3,p,r\n'
    assert rows(opened(tmp_path, data))[1:] == [["1", "x,\\", "y"], ["2", '"q"', "z"], ["3", "p", "r"]]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('"id,name,day', ['"id', "name", "day"]),
        ('id,"name,"day"', ["id", '"name', "day"]),
        ('id,name,""day"', ["id", "name", '"day']),
        ('"id"s,name,day', ['"id"s', "name", "day"]),
    ],
)
def test_a_header_with_broken_quotes_has_the_names_that_are_as_many_as_the_cells_below(
    tmp_path: Path, header: str, names: list[str]
) -> None:
    found = opened(tmp_path, header + '\n1,"a, b",2026-01-01\n2,c,2026-01-02\n')
    assert rows(found) == [names, ["1", "a, b", "2026-01-01"], ["2", "c", "2026-01-02"]]
    assert [(each.code, each.expected) for each in found.remarks] == [("mended_header", ", ".join(names))]


@pytest.mark.parametrize("header", ['id,name,day,"x"y', '"a,b",c,"d,e","x"y'])
def test_a_header_with_broken_quotes_that_may_have_other_names_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(UnreadableFile, match="quotes of the header"):
        opened(tmp_path, header + "\n1,a,2026-01-01,x,7\n2,c,2026-01-02,y,8\n")


def test_names_below_groups_that_span_columns_are_of_the_header(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name,travel,,,total\n,,air,rail,car,\n1,Bob,2.50,,1,3.50\n2,Al,,7,,7\n")
    assert rows(found)[0] == ["id", "name", "travel air", "travel rail", "travel car", "total"]
    assert len(rows(found)) == 3


def test_a_first_row_with_gaps_is_not_of_the_header(tmp_path: Path) -> None:
    found = opened(tmp_path, "name,city,,zip\nBob,,x,y\nAl,Rome,z,w\nEve,,x,\n")
    assert rows(found)[:2] == [["name", "city", "", "zip"], ["Bob", "", "x", "y"]]


def test_a_title_with_delimiters_in_it_is_not_the_header(tmp_path: Path) -> None:
    data = "Sample of 7 May, by the lab, second run\nwave,light\n" + "400.5,7.25\n" * 9
    found = opened(tmp_path, data)
    assert rows(found)[:2] == [["wave", "light"], ["400.5", "7.25"]]
    assert [each.code for each in found.remarks] == ["preamble_skipped"]


@pytest.mark.parametrize(
    "data",
    ["id,qty,amount\n(1),(5),(6)\n2,7,8\n", "id,amount,qty\n,(5.00),(2)\na,1,2\n", "id,tags\n[a],[b]\n[c],[d]\n"],
)
def test_a_first_row_in_brackets_is_a_row_where_units_would_not_stand(tmp_path: Path, data: str) -> None:
    found = opened(tmp_path, data)
    assert (len(rows(found)), found.remarks) == (3, ())


def test_units_below_the_names_are_told(tmp_path: Path) -> None:
    found = opened(tmp_path, "item,weight,height\n,(kg),(m)\nx,1,2\n")
    assert [(each.code, each.value) for each in found.remarks] == [("preamble_skipped", "(kg) (m)")]


@pytest.mark.parametrize(
    "data", ["id,name,\na,x,red\nb,y,green\n", "name,,id\nx,y,id2\nz,w,q\n", "name,id,\nname,a,b\n"]
)
def test_known_names_beside_a_blank_one_are_the_whole_header(tmp_path: Path, data: str) -> None:
    found = opened(tmp_path, data, is_known={"id", "name"}.__contains__)
    assert [len(rows(found)), found.detected.header_row] == [data.count("\n"), 1]


@pytest.mark.parametrize(
    ("data", "width"),
    [
        ("Item ID\nSKU 100\nSKU 200\n", 1),
        ("Group Name\nA 1\nB 2\n", 1),
        ("ID Other\nVAN 07\nVAN 08\n", 1),
        ("ID Label\n100 x\n200 y\n", 2),
    ],
)
def test_a_blank_divides_a_header_into_known_names_only(tmp_path: Path, data: str, width: int) -> None:
    found = opened(tmp_path, data, is_known={"Item ID", "ID", "Name", "Label"}.__contains__)
    assert [len(row) for row in rows(found)] == [width] * 3


def test_known_names_that_are_few_are_of_one_line_all_the_same(tmp_path: Path) -> None:
    data = "id,plate,Note,,x5,x6,x7,x8,x9,x10\n,,first note,second,,,,,,\nV2,CD 13,a,b,c,d,e,f,g,h\n"
    assert len(rows(opened(tmp_path, data, is_known={"id", "plate"}.__contains__))) == 3


def test_names_that_rows_below_leave_out_are_names(tmp_path: Path) -> None:
    found = opened(tmp_path, "id,name,note\n1,Bob\n2,Al\n3,Eve\n")
    assert rows(found)[0] == ["id", "name", "note"]


def test_a_title_above_names_is_not_part_of_them_where_some_columns_have_none(tmp_path: Path) -> None:
    found = opened(tmp_path, "Meetings,,,,\nwho,day,,,\nBob,2026-01-01,,,\nAl,2026-01-02,,,\n")
    assert rows(found)[0][:2] == ["who", "day"]


def test_letters_of_windows_are_not_taken_for_control_characters_of_iso(tmp_path: Path) -> None:
    names = ["Žluťoučký", "Plzeň", "Řehoř", "Škoda", "Łódź", "Kraków"]
    found = opened(tmp_path, b"id,name\n" + "".join(f"{n},{x}\n" for n, x in enumerate(names)).encode("cp1250"))
    assert [row[1] for row in rows(found)[1:]] == names


def test_a_header_of_more_cells_than_the_rows_stays_one_where_the_rows_are_text(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, "name,town,note\nAda,Rome\nBob,Bern\n"))[0] == ["name", "town", "note"]


@pytest.mark.parametrize(("last", "names"), [("#", ["1", "2", "3"]), ("#id,name,price", ["#id", "name", "price"])])
def test_sentences_in_comments_above_a_table_are_no_rows_but_a_header_below_them_is(
    tmp_path: Path, last: str, names: list[str]
) -> None:
    text = f"# Prices.\n# Free for you, for me, or anybody\n# to read, copy, and print, see below\n{last}\n"
    found = opened(tmp_path, text + "".join(f"{n},{n + 1},{n + 2}\n" for n in range(1, 9)))
    assert rows(found)[0] == names


def test_a_row_that_begins_as_comments_do_stays_one_below_them(tmp_path: Path) -> None:
    found = opened(tmp_path, "# Tags.\n# Free, for all\n#\ntag,n\n#a,1\n#b,2\nc,3\n# end\n")
    assert rows(found) == [["tag", "n"], ["#a", "1"], ["#b", "2"], ["c", "3"]]
