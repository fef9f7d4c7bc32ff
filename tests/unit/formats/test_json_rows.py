from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Format, Reads
from ingester.formats.records.json_rows import transcribe
from ingester.formats.transcribed import Transcribed
from tests.plain_form import Typed, by_line, rows

LINES = Reads(format=Format.JSONL)


def read(
    tmp_path: Path, data: str | bytes, reads: Reads | None = None, limits: Limits | None = None, known: str = ""
) -> tuple[Transcribed, list[list[str | Typed]]]:
    source, target = tmp_path / "source", tmp_path / "plain"
    source.write_bytes(data.encode() if isinstance(data, str) else data)
    found = transcribe(source, target, reads or Reads(), limits or Limits(), lambda name: name == known)
    return found, rows(target)


def refusal(tmp_path: Path, data: str | bytes, reads: Reads | None = None, limits: Limits | None = None) -> str:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, data, reads, limits)
    return refused.value.reason


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ('[{"a": 1}, {"a": 2}]', None),
        ('{"records": [{"a": 1}, {"a": 2}]}', "records"),
        ('{"total": 2, "orders": [{"a": 1}, {"a": 2}], "tags": ["x"], "errors": []}', "orders"),
        ('{"others": [{"b": 1}], "records": [{"a": 1}, {"a": 2}]}', "records"),
        ('{"a": 1}\n{"a": 2}\n', None),
        ('{"a": 1}\r\n\r\n{"a": 2}', None),
    ],
)
def test_records_are_found(tmp_path: Path, document: str, path: str | None) -> None:
    found, table = read(tmp_path, document)
    assert (found.names, found.path, found.rows) == (("a",), path, 2)
    assert table == [[Typed("1")], [Typed("2")]]


def test_a_feed_says_where_the_records_are(tmp_path: Path) -> None:
    document = '{"x": [{"b": 1}], "data": {"next": null, "items": [{"a": "1"}]}, "y": [{"c": 1}]}'
    found, table = read(tmp_path, document, Reads(path="data.items"))
    assert (found.names, table, found.path) == (("a",), [["1"]], "data.items")
    assert 'there is no "rows"; there is "next", "items"' in refusal(tmp_path, document, Reads(path="data.rows"))
    assert 'rows may be in "x", "y"' in refusal(tmp_path, document)


def test_one_object_is_one_record(tmp_path: Path) -> None:
    found, table = read(tmp_path, '{"id": "7", "tags": ["x", "y"], "at": {"city": "Ulm"}}')
    assert found.names == ("id", "tags", "at.city")
    assert table == [["7", '["x","y"]', "Ulm"]]


@pytest.mark.parametrize("document", ["[]", '{"records": []}', '{"customers": []}', " [ ] "])
def test_no_records_are_no_columns(tmp_path: Path, document: str) -> None:
    found, table = read(tmp_path, document)
    assert (found.names, found.rows, table) == ((), 0, [])


def test_columns_are_the_keys_of_all_records_in_the_order_of_first_appearance(tmp_path: Path) -> None:
    found, table = read(tmp_path, '[{"b": 1}, {"a": null, "b": 2}, {"c": "x", "a": true}, {}]')
    assert found.names == ("b", "a", "c")
    assert table == [
        [Typed("1"), "", ""],
        [Typed("2"), "", ""],
        ["", Typed("true"), "x"],
        ["", "", ""],
    ]


def test_what_is_nested_has_dots_unless_a_field_takes_it_whole(tmp_path: Path) -> None:
    document = '[{"address": {"city": "Ulm", "geo": {"lat": 1.50}}, "shape": {"type": "Point", "n": 1.0}}]'
    found, table = read(tmp_path, document, known="shape")
    assert found.names == ("address.city", "address.geo.lat", "shape")
    assert table == [["Ulm", Typed("1.50"), '{"type":"Point","n":1.0}']]


@pytest.mark.parametrize(
    ("number", "cell"),
    [
        ("12345678901234567890123", Typed("12345678901234567890123")),
        ("0.10", Typed("0.10")),
        ("-0.1234567890123456789", Typed("-0.1234567890123456789")),
        ("1e3", Typed("1000")),
        ("1.5E-3", Typed("0.0015")),
        ("1e400", "1e400"),
        ("1e-999999999", "1e-999999999"),
        ("9" * 5000, Typed("9" * 5000)),
    ],
)
def test_numbers_are_kept_as_they_are_written(tmp_path: Path, number: str, cell: str | Typed) -> None:
    assert read(tmp_path, f'[{{"a": {number}}}]')[1] == [[cell]]


def test_text_stays_text(tmp_path: Path) -> None:
    values = ["00123", "true", "", "a\nb", '"', "\x1aT1", "\ufeff", "😀"]
    assert read(tmp_path, json.dumps([{"a": value} for value in values]))[1] == [[value] for value in values]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_unicode_is_read_in_every_encoding_that_json_has_had(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, '[{"ä": "€"}]'.encode(encoding))[1] == [["€"]]
    assert read(tmp_path, '{"ä": "€"}\n{"ä": "x"}\n'.encode(encoding))[1] == [["€"], ["x"]]


def test_a_feed_says_the_encoding(tmp_path: Path) -> None:
    assert read(tmp_path, '[{"a": "ä"}]'.encode("cp1252"), Reads(encoding="cp1252"))[1] == [["ä"]]


def test_lists_have_their_names_in_the_first(tmp_path: Path) -> None:
    found, table = read(tmp_path, '[["id", "n"], ["00123", 5], ["x"]]')
    assert (found.names, found.header_row, found.first_line) == (("id", "n"), 1, 2)
    assert table == [["00123", Typed("5")], ["x"]]
    found, table = read(tmp_path, '[["1", null]]', Reads(header=0, columns=("a", "b")))
    assert (found.names, table) == (("a", "b"), [["1", ""]])


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1',
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 2}}',
        '{"a": 1} {"a": 2}',
        "7",
        '{"a": "\\ud800"}',
        '{"a": ' + "[" * 100_000,
        '{"a": ' + "[" * 70 + "]" * 70 + "}",
        '{"a.b": 1, "a": {"b": 2}}',
    ],
)
def test_a_line_that_cannot_be_read_is_a_broken_record_and_the_lines_around_it_are_intact(
    tmp_path: Path, line: str
) -> None:
    found, _ = read(tmp_path, f'{{"a": 1}}\n{line}\n\n{{"a": 3, "b": 4}}\n', LINES)
    table = by_line(tmp_path / "plain")
    assert found.names == ("a", "b")
    assert table.pop(2) == ["BROKEN " + line, "", ""]
    assert table == {1: [Typed("1"), ""], 4: [Typed("3"), Typed("4")]}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('[{"a": 1}, {"a": 1, "a": 2}]', 'record 2: the key "a" comes twice'),
        ('{"records": [{"a": 1}], "records": []}', 'the key "records" comes twice'),
        ('[{"a": NaN}]', "record 1: NaN is no JSON"),
        ('[{"a": -Infinity}]', "record 1: -Infinity is no JSON"),
        ('[{"a": 1}, {"a": 1', "record 2:"),
        ('[{"a": 1}', "after record 1 it ends"),
        ('[{"a": 1},]', "record 2:"),
        ('[{"a": 1} {"a": 2}]', "after record 1 there is no , or ]"),
        ('[{"a": 1}] x', "more follows"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('[{"a": 1}, 2]', "record 2: not every record is an object"),
        ('[{"a": 1}, [2]]', "record 2: not every record is an object"),
        ("[1, 2]", "record 1: it is no object"),
        ("7", "no JSON object or array"),
        ('[{"a": "\\ud800"}]', "half a character"),
        ('[{"\\ud800": 1}]', "half a character"),
        ("[{}, {}]", "no keys"),
        ('{"a": 1}\n{"a": 2', "BROKEN"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(tmp_path: Path, document: str, reason: str) -> None:
    if reason == "BROKEN":
        assert read(tmp_path, document)[1] == [[Typed("1")], ["BROKEN " + '{"a": 2', ""]]
    else:
        assert reason in refusal(tmp_path, document)


ENVELOPE = '{"meta": {"total": 2}, "data": {"items": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}}'


def test_rows_that_are_deeper_than_they_are_looked_for_are_pointed_at(tmp_path: Path) -> None:
    said = 'rows may be in "data.items"; the feed has to say which, as in `path: data.items`'
    assert said in refusal(tmp_path, ENVELOPE)
    assert read(tmp_path, ENVELOPE, Reads(path="data.items"))[1] == [[Typed("1"), "a"], [Typed("2"), "b"]]


def test_a_record_with_a_list_of_others_is_a_record(tmp_path: Path) -> None:
    document = '{"id": 1, "name": {"first": "a"}, "address": {"phones": [{"number": 1}]}}'
    for known in ("id", "name.first", "address.phones"):
        assert read(tmp_path, document, known=known)[0].names == ("id", "name.first", "address.phones")


@pytest.mark.parametrize(("document", "is_refused"), [('{"a": {"b": [{"c": 1}]}}', True), (ENVELOPE, False)])
def test_where_no_columns_are_known_only_what_has_nothing_else_is_no_record(
    tmp_path: Path, document: str, is_refused: bool
) -> None:
    (tmp_path / "source").write_text(document)
    with pytest.raises(UnreadableFile, match="rows may be in") if is_refused else nullcontext():
        assert transcribe(tmp_path / "source", tmp_path / "plain", Reads(), Limits()).rows == 1


def test_what_is_nested_too_deeply_is_over_a_limit(tmp_path: Path) -> None:
    for document in ('[{"a": {"b": {"c": 1}}}]', '[{"a": [[[1]]]}]', "[" * 100_000):
        with pytest.raises(UnreadableFile, match="nested too deeply") as refused:
            read(tmp_path, document, None, Limits(depth=2))
        assert refused.value.code == "too_large"


def test_bytes_that_are_no_text_are_told_by_their_place(tmp_path: Path) -> None:
    assert "byte 8" in refusal(tmp_path, b'[{"a": "\xff"}]')
    assert "byte 18" in refusal(tmp_path, b'{"a": 1}\n{"a": "xy\xff"}\n')


@pytest.mark.parametrize(
    ("document", "limits", "reason"),
    [
        ('[{"a": 1, "b": 2, "c": 3}]', Limits(columns=2), "over 2 columns"),
        ('[{"a": 1}, {"b": 1}, {"c": 1}]', Limits(columns=2), "over 2 columns"),
        ('[{"a": 1}, {"a": 1}, {"a": 1}]', Limits(rows=2), "over 2 rows"),
        ('[{"a": {"b": {"c": 1}}}]', Limits(depth=2), "nested too deeply"),
        ('[{"a": [[[1]]]}]', Limits(depth=2), "nested too deeply"),
        ('[{"a": "' + "x" * (17 << 20) + '"}]', Limits(cell_bytes=2**26), "16 MiB"),
        ('{"a": "' + "x" * (17 << 20) + '"}\n{"a": 1}', Limits(cell_bytes=2**26), "16 MiB"),
    ],
)
def test_limits_hold(tmp_path: Path, document: str, limits: Limits, reason: str) -> None:
    assert reason in refusal(tmp_path, document, None, limits)
