"""Whole columns as people write them: once a cell settles it, they read back exactly; nothing is ever guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ingester.checks.style import Style
from ingester.ruleset.model import FieldType
from tests.column import WRONG, read
from tests.examples import examples

SETTINGS = examples(100)

SIGNS = st.sampled_from([".", ","])
GROUPS = st.sampled_from(["", "other", " ", "\u00a0", "\u202f", "'", "\u2019"])
#: How a number without its sign is given one.
NEGATIVES: list[Callable[[str], str]] = [
    lambda text: f"-{text}",
    lambda text: f"({text})",
    lambda text: f"{text}-",
    lambda text: f"\u2212{text}",
    lambda text: f"( {text} )",
]
AROUND: list[Callable[[str], str]] = [
    lambda text: text,
    lambda text: f"${text}",
    lambda text: f"{text} \u20ac",
    lambda text: f"EUR {text}",
    lambda text: f"\u00a0{text}\u200b",
]
NUMBERS = st.integers(0, 4).flatmap(lambda places: st.decimals(-(10**9), 10**9, places=places, allow_nan=False))


def written(number: Decimal, decimal: str, group: str, negative: int, around: int) -> str:
    mark = (",." if decimal == "." else ".,")[0] if group == "other" else group
    text = f"{abs(number):,f}".replace(",", "G").replace(".", decimal).replace("G", mark)
    return NEGATIVES[negative](text) if number < 0 else AROUND[around](text)


STYLES = st.tuples(SIGNS, GROUPS, st.integers(0, len(NEGATIVES) - 1), st.integers(0, len(AROUND) - 1))


@SETTINGS
@given(st.lists(NUMBERS, min_size=1, max_size=12), STYLES)
def test_a_column_in_one_style_reads_back_exactly_once_a_cell_settles_it(
    numbers: list[Decimal], style: tuple[str, str, int, int]
) -> None:
    numbers = [*numbers, Decimal("-0.5")]
    found = read(FieldType.NUMBER, *(written(number, *style) for number in numbers))
    assert [Decimal(value) for value in found] == numbers
    pinned = Style.of(style[0])
    found = read(FieldType.NUMBER, *(written(number, *style) for number in numbers[:-1]), pinned=pinned)
    assert [Decimal(value) for value in found] == numbers[:-1]


@SETTINGS
@given(st.lists(NUMBERS, min_size=1, max_size=6), STYLES)
def test_a_column_in_one_style_is_never_read_in_another_except_what_is_canonical(
    numbers: list[Decimal], style: tuple[str, str, int, int]
) -> None:
    cells = [written(number, *style) for number in numbers]
    found = read(FieldType.NUMBER, *cells)
    wrong = [
        cell
        for number, cell, value in zip(numbers, cells, found, strict=True)
        if not value.startswith(WRONG) and Decimal(value) != number
    ]
    # `1.234` is the standard's own text: with nothing else in the column, it has a decimal point.
    assert not wrong or all(re.fullmatch(r"[\u00a0\u200b]?-?[0-9]{1,3}([.][0-9]{3})?[\u200b]?", cell) for cell in cells)


@SETTINGS
@given(
    st.lists(st.tuples(NUMBERS, SIGNS, GROUPS), min_size=1, max_size=8),
    st.integers(0, len(NEGATIVES) - 1),
)
def test_a_column_in_several_styles_has_no_wrong_value_where_the_styles_contradict(
    drawn: list[tuple[Decimal, str, str]], negative: int
) -> None:
    cells = [written(number, decimal, group, negative, 1) for number, decimal, group in drawn]
    both = ["12,5", "12.5"] * len(cells)  # so that neither is a mistake among the others
    found = read(FieldType.NUMBER, *both, *cells)[len(both) :]
    for (number, _, _), cell, value in zip(drawn, cells, found, strict=True):
        assert value.startswith(WRONG) or Decimal(value) == number, cell


@SETTINGS
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=10), SIGNS)
def test_grouped_whole_numbers_are_read_or_refused(numbers: list[int], group: str) -> None:
    cells = [f"{number:,d}".replace(",", group) for number in numbers]
    for number, value in zip(numbers, read(FieldType.INTEGER, *cells), strict=True):
        assert value == number or str(value).startswith(WRONG)
    settled = f"{1234567:,d}".replace(",", group)
    assert read(FieldType.INTEGER, *cells, settled)[:-1] == numbers


DAYS = st.dates(date(1000, 1, 1), date(9999, 12, 31))
ORDERS = {"dmy": "%d{0}%m{0}%Y", "mdy": "%m{0}%d{0}%Y"}


@SETTINGS
@given(st.lists(DAYS, min_size=1, max_size=10), st.sampled_from(sorted(ORDERS)), st.sampled_from("/.-"), st.booleans())
def test_dates_in_one_order_read_back_once_a_day_settles_it(
    days: list[date], order: str, mark: str, with_time: bool
) -> None:
    kind = FieldType.DATETIME if with_time else FieldType.DATE
    form = ORDERS[order].format(mark) + " %H:%M" * with_time
    cells = [day.strftime(form) for day in days]

    def found(*more: str, pinned: str | None = None) -> list[date | str]:
        values = read(kind, *cells, *more, pinned=Style.of(None, pinned))[: len(cells)]
        return [value.date() if with_time and not isinstance(value, str) else value for value in values]

    assert found(date(2026, 4, 13).strftime(form)) == days
    assert found(pinned=order) == days
    for day, value in zip(days, found(), strict=True):
        assert value in {day, "!ambiguous_date"}
