"""What phases leave for one another: rows, notices, verdicts, repeats."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ingester.checks.keyhash import key_hash
from ingester.domain.notice import Severity
from ingester.spill import hashes, suspects
from ingester.spill.notices import Kind, Notices
from ingester.spill.repeats import COUNT, FIRST, IDENTICAL, LAST, repeats
from ingester.spill.rows import ROW, Rows, RowWriter
from ingester.spill.verdict import Verdict
from tests.examples import examples

Numbers = npt.NDArray[np.int64]


def numbers(*rows: int) -> Numbers:
    return np.array(rows, np.int64)


# --- verdict ---------------------------------------------------------------------------------------------------------


def test_a_row_that_is_wrong_and_a_duplicate_counts_as_wrong() -> None:
    verdict = Verdict()
    verdict.extend(5)
    verdict.refuse(numbers(2, 3))
    verdict.reject(numbers(3, 4))
    assert (verdict.total, verdict.error_rows, verdict.duplicate_rows, verdict.valid_rows) == (5, 2, 1, 2)
    assert verdict.bad_rows().tolist() == [2, 3, 4]
    assert np.flatnonzero(verdict.bad()).tolist() == [2, 3, 4]
    assert verdict.good(numbers(1, 2, 3, 4, 5)).tolist() == [True, False, False, False, True]


def test_verdicts_outlast_growth() -> None:
    verdict = Verdict()
    for total in (1, 1023, 1024, 5000, 3):
        verdict.extend(total)
        verdict.reject(numbers(1))
    assert (verdict.total, verdict.error_rows) == (5000, 1)
    verdict.reject_all()
    assert (verdict.error_rows, verdict.valid_rows) == (5000, 0)


def test_a_file_without_rows_has_no_verdicts() -> None:
    verdict = Verdict()
    verdict.reject_all()
    assert (verdict.total, verdict.valid_rows, verdict.bad_rows().tolist()) == (0, 0, [])


# --- rows ------------------------------------------------------------------------------------------------------------


def spill(folder: Path, *batches: tuple[Numbers, dict[str, pa.Array]]) -> Rows:
    with RowWriter(folder / "rows.arrow") as writer:
        for found, columns in batches:
            writer.write(pa.array(found), columns)
    return Rows(folder / "rows.arrow", tuple(batches[0][1]) if batches else ("a",))


def test_rows_come_back_in_file_order_with_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    rows = spill(
        tmp_path,
        (numbers(1, 3), {"a": pa.array(["x", None]), "b": pa.array([1, 2])}),
        (numbers(7), {"a": pa.array(["z"]), "b": pa.array([None], pa.int64())}),
    )
    for columns, wanted in ((None, ["a", "b"]), (("b",), ["b"]), (("b", "a"), ["b", "a"])):
        found = [(row.tolist(), batch.to_pydict()) for row, batch in rows.batches(columns)]
        values = {"a": (["x", None], ["z"]), "b": ([1, 2], [None])}
        assert found == [
            ([1, 3], {name: values[name][0] for name in wanted}),
            ([7], {name: values[name][1] for name in wanted}),
        ]


def test_no_rows_are_no_batches(tmp_path: Path) -> None:
    assert list(spill(tmp_path).batches()) == []
    assert spill(tmp_path).last == 0


def test_hashes_that_were_kept_are_not_made_again(tmp_path: Path) -> None:
    column = pa.array(["x", None, "y"])
    made = hashes.hashes([column])
    assert made.tolist()[1] == hashes.NONE
    rows = spill(tmp_path, (numbers(1, 2, 5), {"a": column}))
    kept = spill(tmp_path, (numbers(1, 2, 5), {"a": column, hashes.column_of(("a",)): pa.array(made + np.uint64(2))}))
    assert rows.last == kept.last == 5
    assert [found.tolist() for _, found in kept.hashes(("a",))] == [(made + np.uint64(2)).tolist()]
    (tmp_path / "rows.arrow").unlink()
    rows = spill(tmp_path, (numbers(1, 2, 5), {"a": column}))
    assert [found.tolist() for _, found in rows.hashes(("a",))] == [made.tolist()]


# --- notices ---------------------------------------------------------------------------------------------------------

REQUIRED = Kind("required", ("label",), "Field is required")
BAD_TYPE = Kind("invalid_type", ("stock",), "Invalid integer")
TOO_LARGE = Kind("invalid_type", ("stock",), "Invalid integer. Expected less")


def test_streams_are_merged_by_row(tmp_path: Path) -> None:
    notices = Notices(tmp_path)
    assert notices.add("one", [(BAD_TYPE, numbers(3, 1)), (REQUIRED, numbers(3))]).tolist() == [1, 3]
    notices.add("one", [(REQUIRED, numbers(9))])
    notices.add("two", [(TOO_LARGE, numbers(2, 3, 10))])
    assert notices.add("two", [(REQUIRED, numbers())]).tolist() == []
    merged, kinds = notices.merged(), notices.kinds

    def between(first: int, last: int) -> list[tuple[int, Kind]]:
        rows, found = merged.between(first, last)
        return [(number, kinds[kind]) for number, kind in zip(rows.tolist(), found.tolist(), strict=True)]

    assert between(1, 3) == [(1, BAD_TYPE), (2, TOO_LARGE), (3, BAD_TYPE), (3, REQUIRED), (3, TOO_LARGE)]
    assert between(4, 8) == []
    assert between(4, 10) == [(9, REQUIRED), (10, TOO_LARGE)]
    assert set(np.concatenate(list(notices.merged().rows())).tolist()) == {1, 2, 3, 9, 10}


def test_counts_are_exact_and_by_code_and_field_whatever_the_words(tmp_path: Path) -> None:
    notices = Notices(tmp_path)
    notices.add("one", [(BAD_TYPE, numbers(1, 2)), (TOO_LARGE, numbers(4))])
    notices.add("two", [(BAD_TYPE, numbers(9))])
    for column in ("x", "y"):
        notices.add_to_file("unknown_column", expected=f"'{column}'", value=column)
    assert notices.counts() == {
        ("invalid_type", "stock", Severity.ERROR): 4,
        ("unknown_column", "", Severity.WARNING): 2,
    }
    assert notices.total == 6


def test_where_nothing_was_found_nothing_is_read(tmp_path: Path) -> None:
    merged = Notices(tmp_path).merged()
    assert [array.tolist() for array in merged.between(1, 100)] == [[], []]
    assert list(merged.rows()) == []


# --- repeats ---------------------------------------------------------------------------------------------------------

KEYS = st.none() | st.sampled_from(["a", "b", "c", "ab", ""])
TYPES = {"key": pa.string(), "number": pa.int64(), "other": pa.string(), "flag": pa.bool_()}
ROWS = st.lists(
    st.tuples(
        KEYS,
        st.none() | st.integers(0, 2),
        st.none() | st.sampled_from(["x", "y", "xy"]),
        st.sampled_from([True, False, None]),
    ),
    max_size=20,
)


def every_hash_collides(columns: list[pa.Array]) -> npt.NDArray[np.uint64]:
    return np.full(len(columns[0]), 7, np.uint64)


def some_hashes_collide(columns: list[pa.Array]) -> npt.NDArray[np.uint64]:
    # Apart in the half that tells the share.
    return (key_hash(columns) % np.uint64(3)) << np.uint64(33)


@pytest.mark.parametrize("key_hash", [key_hash, some_hashes_collide, every_hash_collides])
@pytest.mark.parametrize("key", [("key", "number"), ("key",), ("flag",)], ids=" ".join)
@examples(60, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, bad=st.sets(st.integers(1, 20)), cuts=st.sets(st.integers(1, 19)))
def test_repeats_are_those_that_plain_python_finds(
    tmp_path: Path, key_hash: Any, key: tuple[str, ...], rows: list[tuple[Any, ...]], bad: set[int], cuts: set[int]
) -> None:
    batches = []
    for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)] if rows else []):
        columns = zip(*rows[start:end], strict=True)
        typed = {name: pa.array(column, TYPES[name]) for name, column in zip(TYPES, columns, strict=True)}
        batches.append((np.arange(start + 1, end + 1), typed))
    (tmp_path / "rows.arrow").unlink(missing_ok=True)
    spilled = spill(tmp_path, *batches)

    def eligible(found: Numbers) -> npt.NDArray[np.bool_]:
        return np.array([number not in bad for number in found.tolist()], np.bool_)

    with pytest.MonkeyPatch.context() as patched:
        # Shares of a few rows, so that groups meet across their borders.
        patched.setattr(suspects, "_HASHES", 3)
        patched.setattr(suspects, "_REPEATED", 2)
        patched.setattr(hashes, "key_hash", key_hash)
        tables = list(repeats(spilled, key, eligible))
    found = {row[ROW]: (row[COUNT], row[FIRST], row[LAST], row[IDENTICAL]) for _, t in tables for row in t.to_pylist()}

    groups: dict[Any, list[int]] = {}
    for number, row in enumerate(rows, start=1):
        values = tuple(value for name, value in zip(TYPES, row, strict=True) if name in key)
        if number not in bad and None not in values:
            groups.setdefault(values, []).append(number)
    wanted = {
        number: (len(group), min(group), max(group), len({rows[each - 1] for each in group}) == 1)
        for group in groups.values()
        if len(group) > 1
        for number in group
    }
    assert found == wanted
    shares: dict[int, list[int]] = {}
    for share, table in tables:
        assert table.num_rows
        shares.setdefault(share, []).extend(table[ROW].to_pylist())
    assert sum(map(len, shares.values())) == len(found), "a row is in one table, once"
    for share, members in shares.items():
        assert members == sorted(members), "a share's tables are in row order"
        assert all(number in members for each in members for number in groups_of(groups, each)), share
    assert [path.name for path in tmp_path.iterdir() if path.name != "rows.arrow"] == []


def groups_of(groups: dict[Any, list[int]], number: int) -> list[int]:
    return next(group for group in groups.values() if number in group)


def everything(found: Numbers) -> npt.NDArray[np.bool_]:
    return np.ones(len(found), np.bool_)


@pytest.mark.parametrize("distinct", [1, 50_000], ids=["one value", "pairs"])
def test_memory_is_not_for_the_rows_that_share_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distinct: int
) -> None:
    total, size = 100_000, 2_000
    monkeypatch.setattr(suspects, "_HASHES", 4_000)
    monkeypatch.setattr(suspects, "_REPEATED", 4_000)
    monkeypatch.setattr(suspects, "_PLACE_BITS", np.uint64(12))
    with RowWriter(tmp_path / "rows.arrow") as writer:
        for start in range(0, total, size):
            found = np.arange(start, start + size)
            writer.write(pa.array(found + 1), {"a": pa.array(found % distinct), "b": pa.array(found // total)})
    tracemalloc.start()
    try:
        tables = repeats(Rows(tmp_path / "rows.arrow", ("a", "b")), ("a",), everything)
        sizes = [table.num_rows for _, table in tables if all(table[IDENTICAL].to_pylist())]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) == total
    assert max(sizes) <= size
    assert peak < 8 * total, "not one number a row"


def test_a_long_text_is_not_copied_for_each_row_that_is_compared_with_it(tmp_path: Path) -> None:
    long, rows = "x" * 1_000_000, 3_000
    texts = pa.array([long, *["y"] * rows, None, long])
    spilled = spill(tmp_path, (np.arange(1, rows + 4), {"a": pa.array([1] * (rows + 3)), "b": texts}))
    most = pa.default_memory_pool().max_memory()
    ((_, table),) = repeats(spilled, ("a",), everything)
    assert not any(table[IDENTICAL].to_pylist())
    assert pa.default_memory_pool().max_memory() - most < len(long) * rows / 10


@pytest.mark.parametrize("names", [("a", "a_count_distinct", "b"), ("k", "_x", "k_count")])
def test_fields_may_be_called_what_arrow_calls_its_own_columns(tmp_path: Path, names: tuple[str, ...]) -> None:
    columns = {name: pa.array(["1", "1", "2"]) for name in names}
    rows = spill(tmp_path, (numbers(1, 2, 3), columns))
    for key in names:
        ((_, table),) = repeats(rows, (key,), everything)
        assert table[ROW].to_pylist() == [1, 2]
        assert table[IDENTICAL].to_pylist() == [True, True]
