from __future__ import annotations

from pathlib import Path

import pytest

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.records.xml_rows import transcribe
from ingester.formats.transcribed import Transcribed
from tests.plain_form import Typed, rows


def read(
    tmp_path: Path, data: str | bytes, reads: Reads | None = None, limits: Limits | None = None
) -> tuple[Transcribed, list[list[str | Typed]]]:
    source, target = tmp_path / "source", tmp_path / "plain"
    source.write_bytes(data.encode() if isinstance(data, str) else data)
    return transcribe(source, target, reads or Reads(), limits or Limits()), rows(target)


def test_attributes_children_and_what_is_in_them_are_columns(tmp_path: Path) -> None:
    found, table = read(
        tmp_path,
        """<c xmlns:x="urn:x">
             <x:item id="1"><name> A &amp; B </name><address kind="home"><city>Ulm</city></address></x:item>
             <item id="2"><name><![CDATA[<b>]]></name><new/></item>
           </c>""",
    )
    assert (found.names, found.path) == (("id", "name", "address.kind", "address.city", "new"), "c/item")
    assert table == [["1", " A & B ", "home", "Ulm", ""], ["2", "<b>", "", "", ""]]


def test_nothing_that_is_there_twice_or_between_is_left_out(tmp_path: Path) -> None:
    found, table = read(
        tmp_path,
        """<c><i id="1"><id>2</id><t>a</t><t>b</t><p><q>1</q></p><p><q>2</q></p></i>
           <i>mixed<t>c</t><u>x<v>y</v></u></i></c>""",
    )
    assert found.names == ("id", "t", "p", "u.v", "u.text", "i")
    assert table == [
        ['["1","2"]', '["a","b"]', '[{"q":"1"},{"q":"2"}]', "", "", ""],
        ["", "c", "", "y", "x", "mixed"],
    ]


@pytest.mark.parametrize(
    ("document", "path", "table"),
    [
        ("<c><meta><d>1</d></meta><items><i a='1'/><i a='2'/></items></c>", "c/items/i", [["1"], ["2"]]),
        ("<c><tag>x</tag><tag>y</tag><i><a>1</a></i><i><a>2</a></i></c>", "c/i", [["1"], ["2"]]),
        ("<c><i>1</i><i>2</i></c>", "c/i", [["1"], ["2"]]),
        ("<c><i><a>1</a></i></c>", "c/i", [["1"]]),
        ("<customer><id>1</id><name>A</name></customer>", "customer", [["1", "A"]]),
        ("<c/>", "c", []),
    ],
)
def test_rows_are_what_repeats(tmp_path: Path, document: str, path: str, table: list[list[str]]) -> None:
    found, read_table = read(tmp_path, document)
    assert (found.path, read_table) == (path, table)


def test_a_feed_says_which_elements_are_rows(tmp_path: Path) -> None:
    document = "<c><a><x>1</x></a><a><x>2</x></a><b><y>3</y></b><b><y>4</y></b></c>"
    assert read(tmp_path, document, Reads(path="c/b"))[1] == [["3"], ["4"]]
    with pytest.raises(UnreadableFile, match=r"rows may be in c/a, c/b; the feed has to say which"):
        read(tmp_path, document)
    with pytest.raises(UnreadableFile, match='there is no element "c/d"; there is "a", "b"'):
        read(tmp_path, document, Reads(path="c/d"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "iso-8859-15"])
def test_the_declared_encoding_holds(tmp_path: Path, encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    document = f'<?xml version="1.0" encoding="{declared}"?><c><a>é</a><a>ß</a></c>'
    assert read(tmp_path, document.encode(encoding))[1] == [["é"], ["ß"]]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        ("<a>&nbsp;</a>", "line 1: undefined entity"),
        ("<a>\n<b>1</b>", "line 2: no element found"),
        ("<a><b>1</a>", "line 1: mismatched tag"),
        ("<a/><a/>", "junk after document element"),
        ('<a b="1" b="2"/>', "duplicate attribute"),
        ('<?xml version="1.0" encoding="shift_jis"?><a/>', "encoding"),
        (b"<a>\xff</a>", "line 1: not well-formed"),
        ("x", "syntax error"),
    ],
)
def test_what_is_no_plain_xml_is_refused(tmp_path: Path, document: str | bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason) as refused:
        read(tmp_path, document)
    assert refused.value.code == "unreadable_file"


@pytest.mark.parametrize(
    ("document", "limits"),
    [
        ("<c><i><a/><b/><d/></i><i/></c>", Limits(columns=2)),
        ("<a>" * 100_000, Limits()),
        ("<c><i a='1'/><i a='1'/><i a='1'/></c>", Limits(rows=2)),
        (f"<c><i>{'x' * 600_000}</i><i/></c>", Limits(cell_bytes=2**19)),
        (f"<c><i>{'x' * (17 << 20)}</i><i/></c>", Limits(cell_bytes=2**26)),
        (f"<c><i a='{'x' * (17 << 20)}'/><i/></c>", Limits(cell_bytes=2**26)),
        ("<c>" + "".join(f"<a{number}/>" for number in range(110_000)) + "</c>", Limits()),
    ],
)
def test_limits_hold(tmp_path: Path, document: str, limits: Limits) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, document, None, limits)
    assert refused.value.code == "too_large"
