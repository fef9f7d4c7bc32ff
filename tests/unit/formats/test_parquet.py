from __future__ import annotations

import resource
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.records.parquet import transcribe
from tests.plain_form import Typed, rows


def read(tmp_path: Path, table: pa.Table, limits: Limits | None = None, known: str = "", **options: Any) -> Any:
    source, target = tmp_path / "source", tmp_path / "plain"
    parquet.write_table(table, source, **options)
    found = transcribe(source, target, Reads(), limits or Limits(), lambda name: name == known)
    return found.names, rows(target)


def column(tmp_path: Path, values: pa.Array) -> list[str | Typed]:
    _, table = read(tmp_path, pa.table({"a": values}))
    return [row[0] for row in table]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (pa.array(["00123", None, "", "a\nb", "\x1aT1", "\ufeff"]), ["00123", "", "", "a\nb", "\x1aT1", "\ufeff"]),
        (pa.array(["x"], pa.large_string()), ["x"]),
        (pa.array([1, None, -(2**63)]), [Typed("1"), "", Typed(str(-(2**63)))]),
        (pa.array([2**64 - 1], pa.uint64()), [Typed(str(2**64 - 1))]),
        (pa.array([True, None, False]), [Typed("true"), "", Typed("false")]),
        (
            pa.array([1.0, 0.1, 1e21, 1e-7, 123456789012.34, -0.0, None]),
            [
                *map(Typed, ["1", "0.1", "1000000000000000000000", "0.0000001", "123456789012.34", "0"]),
                "",
            ],
        ),
        (pa.array([float("nan"), float("inf"), float("-inf")]), ["nan", "inf", "-inf"]),
        (pa.array([0.1, 16777216.0], pa.float32()), [Typed("0.1"), Typed("16777216")]),
        (pa.array([1.5], pa.float16()), [Typed("1.5")]),
        (
            pa.array([Decimal("1.50000000"), Decimal("0.00000001"), None]),
            [Typed("1.50000000"), Typed("0.00000001"), ""],
        ),
        (pa.array([Decimal("9" * 60)], pa.decimal256(60, 0)), [Typed("9" * 60)]),
        (pa.array([date(2026, 4, 3), date(1, 1, 1)]), [Typed("2026-04-03"), Typed("0001-01-01")]),
        (pa.array([time(10, 20, 30, 500), time(0)]), [Typed("10:20:30.0005"), Typed("00:00:00")]),
        (
            pa.array(
                [
                    datetime.fromisoformat("2026-04-03T00:00:00"),
                    datetime.fromisoformat("2026-04-03T10:20:00"),
                    datetime.fromisoformat("2026-04-03T00:00:00.000005"),
                ]
            ),
            [Typed("2026-04-03"), Typed("2026-04-03T10:20:00"), Typed("2026-04-03T00:00:00.000005")],
        ),
        (pa.array([1], pa.timestamp("ns")), [Typed("1970-01-01T00:00:00.000000001")]),
        (
            pa.array([datetime(2026, 4, 3, tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin")),
            [Typed("2026-04-03T00:00:00Z")],
        ),
        (
            pa.array([timedelta(hours=26), timedelta(seconds=-1.5), timedelta(0)]),
            [Typed("PT93600S"), Typed("-PT1.5S"), Typed("PT0S")],
        ),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", "", "a"]),
        (pa.nulls(2), ["", ""]),
        (pa.array([[1, None], [], None]), ["[1,null]", "[]", ""]),
        (pa.array([[Decimal("1.10")]]), ["[1.10]"]),
        (pa.array([[("k", "v")], []], pa.map_(pa.string(), pa.string())), ['{"k":"v"}', "{}"]),
        (pa.array([b"text", None]), ["text", ""]),
        (pa.array([b"\xff\xfe"]), ["//4="]),
    ],
)
def test_types_are_kept(tmp_path: Path, values: pa.Array, cells: list[str | Typed]) -> None:
    assert column(tmp_path, values) == cells


def test_what_a_struct_holds_becomes_columns_unless_a_field_takes_it_whole(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "at": [{"x": 1, "y": {"z": "q"}}, None]})
    assert read(tmp_path, table) == (("id", "at.x", "at.y.z"), [[Typed("1"), Typed("1"), "q"], [Typed("2"), "", ""]])
    assert read(tmp_path, table, known="at")[1] == [[Typed("1"), '{"x":1,"y":{"z":"q"}}'], [Typed("2"), ""]]


def test_bytes_that_are_no_text_are_refused_where_a_field_takes_them(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match='the column "a" holds bytes that are no text'):
        read(tmp_path, pa.table({"a": [b"\xff"]}), known="a")


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_every_row_of_every_row_group_is_read(tmp_path: Path, compression: str) -> None:
    numbers = np.arange(50_000)
    table = pa.table({"n": numbers, "s": pa.array(numbers).cast(pa.string())})
    _, found = read(tmp_path, table, row_group_size=7000, compression=compression)
    assert found == [[Typed(str(number)), str(number)] for number in numbers]


def test_a_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    assert read(tmp_path, pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})) == (("a", "b"), [])


def test_a_dictionary_that_stands_for_more_than_there_is_memory_is_refused(tmp_path: Path) -> None:
    many = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), ["x" * 1_000_000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableFile, match="over 512 MiB as a table"):
        read(tmp_path, pa.table({"a": many}), Limits(unpacked_bytes=2**29))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700 << 10


@pytest.mark.parametrize(
    "limits",
    [
        Limits(rows=2),
        Limits(columns=1),
        Limits(cell_bytes=2),
        Limits(unpacked_bytes=10),
    ],
)
def test_limits_hold(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(tmp_path, pa.table({"a": ["xxx"] * 10_000, "b": ["yyy"] * 10_000}), limits)
    assert refused.value.code == "too_large"


def test_a_file_that_is_far_larger_unpacked_is_refused(tmp_path: Path) -> None:
    table = pa.table({"a": ["xxx"] * 100_000})
    with pytest.raises(UnreadableFile, match="over 10 times as large when it is unpacked"):
        read(tmp_path, table, Limits(ratio=10, ratio_bytes=0), use_dictionary=False, compression="zstd")


@pytest.mark.parametrize("kept", [3, 100, -1, -20])
def test_a_damaged_file_is_refused(tmp_path: Path, kept: int) -> None:
    source = tmp_path / "source"
    parquet.write_table(pa.table({"a": ["x"] * 100}), source)
    source.write_bytes(source.read_bytes()[:kept])
    with pytest.raises(UnreadableFile, match="damaged"):
        transcribe(source, tmp_path / "plain", Reads(), Limits())


def test_old_timestamps_may_be_of_any_year(tmp_path: Path) -> None:
    values = pa.array([datetime.fromisoformat("1643-01-02T03:04:05"), datetime.fromisoformat("9999-12-31")])
    _, table = read(tmp_path, pa.table({"a": values.cast(pa.timestamp("us"))}), use_deprecated_int96_timestamps=True)
    assert table == [[Typed("1643-01-02T03:04:05")], [Typed("9999-12-31")]]
