from __future__ import annotations

import time

import pytest

from ingester.formats.rows.broken import likely


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (b'1,"a,b,"c, d","e"', [b"1", b'"a', b"b", b"c, d", b"e"]),
        (b'"1,a,b,"c, d",e', [b'"1', b"a", b"b", b"c, d", b"e"]),
        (b'1,a,b,""c, d",e', [b"1", b"a", b"b", b'"c, d', b"e"]),
        (b'1,a,b,"c, 5"",e', [b"1", b"a", b"b", b'c, 5"', b"e"]),
        (b'1,a,b,"a 5" rod, long",e', [b"1", b"a", b"b", b'a 5" rod, long', b"e"]),
        (b'1,a,b,"c, d","', [b"1", b"a", b"b", b"c, d", b'"']),
        (b'1,"a,b,"c, d","e, f, g"', [b"1", b'"a', b"b", b"c, d", b"e, f, g"]),
        (b'1,a,b,"say ""x"", y",e"f', [b"1", b"a", b"b", b'say "x", y', b'e"f']),
    ],
)
def test_a_line_with_broken_quotes_has_the_cells_that_make_it_as_wide_as_others(
    line: bytes, cells: list[bytes]
) -> None:
    assert likely(line, b",", 5).cells == cells


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (b'1,"a, b"c"', [b"1", b'"a', b' b"c"']),
        (b'"x', [b'"x']),
        (b'1,"a,"b",2,3,4,5', [b"1", b'a,"b', b"2", b"3", b"4", b"5"]),
    ],
)
def test_where_no_reading_is_as_wide_the_nearest_is_taken(line: bytes, cells: list[bytes]) -> None:
    found = likely(line, b",", 5)
    assert (found.cells, found.is_only) == (cells, False)


def test_it_is_known_whether_there_is_another_reading() -> None:
    assert likely(b'"a,b,"c"', b",", 3).is_only
    assert likely(b'"a,b",c,"d,e"', b",", 4).is_only is False


@pytest.mark.parametrize(
    "line",
    [
        b'"x",' * 900,
        b'",' * 1000,
        b'a,"' * 990,
        b'"' + b"x" * 60 + b',"' * 999,
        (b'"' + b"x" * 100) * 640,
        b'"' * 3_000_000,
        b'",' * 1_000_000,
    ],
)
def test_hostile_lines_are_not_puzzled_over_for_long(line: bytes) -> None:
    began = time.perf_counter()
    likely(line, b",", 400)
    assert time.perf_counter() - began < 1
