"""Lines with broken quotes, and those without, as they are likely meant."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from ingester.formats.rows.broken import likely
from tests.examples import examples

CELLS = st.lists(st.text(st.sampled_from('ab,;" '), max_size=5), min_size=2, max_size=6)


def written(cells: list[str], quoting: int) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator="").writerow(cells)  # type: ignore[arg-type]
    return out.getvalue().encode()


@examples(300)
@given(CELLS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_where_nothing_is_broken_the_cells_are_those_that_were_written(cells: list[str], quoting: int) -> None:
    found = likely(written(cells, quoting), b",", len(cells))
    assert [cell.decode() for cell in found.cells] == cells


@examples(300)
@given(CELLS, st.integers(0, 5), st.booleans())
def test_a_stray_quote_makes_no_other_number_of_cells_if_all_were_quoted(
    cells: list[str], place: int, in_front: bool
) -> None:
    quoted = [b'"%b"' % cell.replace('"', '""').encode() for cell in cells]
    place %= len(cells)
    quoted[place] = b'"' + quoted[place] if in_front else quoted[place] + b'"'
    assert len(likely(b",".join(quoted), b",", len(cells)).cells) == len(cells)


@examples(300)
@given(st.text(st.sampled_from('a,"'), max_size=40), st.integers(1, 8))
def test_no_letter_of_a_line_is_lost(line: str, width: int) -> None:
    found = likely(line.encode(), b",", width)
    assert b"".join(found.cells).count(b"a") == line.count("a")
    assert len(found.cells) <= line.count(",") + 1
