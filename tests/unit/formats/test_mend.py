from __future__ import annotations

import time

import pytest

from ingester.formats.rows.cut import cut
from ingester.formats.rows.mend import mend


def test_lines_with_literal_quotes_are_cut_without_mending() -> None:
    found = cut(b'1,5" pipe\n2,"a ""b""\nc"\n3,6"\n', True, ",")
    assert found is not None
    assert found.lines is not None
    assert found.lines.tolist() == [0, 1, 3]


def test_a_literal_quote_beside_a_quoted_cell_is_left_to_mending() -> None:
    assert cut(b'5" pipe,"x"\n', True, ",") is None


def test_mended_rows_are_what_the_cutter_accepts() -> None:
    data = b'1,5" pipe\n2,"a"b\n3,"ok"\n\n"x"\n'
    mended = mend(data, True, ",", 2)
    assert mended.rows == [b'"1","5"" pipe"\n', b'3,"ok"\n', b'"x"\n']
    assert mended.row_numbers == [0, 2, 3]
    assert mended.lines == [0, 2, 4]
    assert (mended.broken, mended.broken_numbers, mended.broken_lines) == ([b'2,"a"b'], [1], [1])
    assert cut(b"".join(mended.rows), True, ",") is not None


def test_a_row_that_may_go_on_is_left_for_the_next_reading() -> None:
    assert mend(b'1,2"\n3,"x', False, ",", 2).end == len(b'1,2"\n')
    assert mend(b'1,2"\r', False, ",", 2).end == 0


@pytest.mark.parametrize(
    "data", [b'"' * 2_000_001, b'""' * 1_000_000 + b"\n", b'1,"' + b'""\n' * 700_000, b'a"b,' * 500_000]
)
def test_hostile_quotes_take_linear_time(data: bytes) -> None:
    began = time.perf_counter()
    mend(data, True, ",", 2)
    assert time.perf_counter() - began < 5
