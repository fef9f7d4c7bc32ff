"""Numbers as people write them: each line is a column, and what becomes of its cells."""

# ruff: noqa: RUF001 -- signs that look like ASCII are what is wanted here

from __future__ import annotations

import pytest

from ingester.checks.style import Style
from ingester.ruleset.model import FieldType
from tests.column import read, style

AMBIGUOUS, WRONG = "!ambiguous_number", "!invalid_type"


def number(*cells: str, pinned: str | None = None) -> list[str]:
    return read(FieldType.NUMBER, *cells, pinned=Style.of(pinned))


def integer(*cells: str, pinned: str | None = None) -> list[int | str]:
    return read(FieldType.INTEGER, *cells, pinned=Style.of(pinned))


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("1.234,50 | 12 | -3,5 | 1.234 | 1.234.567", "1234.5 | 12 | -3.5 | 1234 | 1234567"),
        ("1 234,50 | 1\u00a0234,50 | 1\u202f234,50 | 1\u2009234,50", "1234.5 | 1234.5 | 1234.5 | 1234.5"),
        ("1,234.50 | 1,234 | 12,345,678", "1234.5 | 1234 | 12345678"),
        ("1'234.50 | 1’234 | 12'345'678", "1234.5 | 1234 | 12345678"),
        ("12,34,567.50 | 1,234", "1234567.5 | 1234"),
        ("$1,234.50 | -$5 | $-5 | 5 $ | US$ 5 | R$5 | 5 kr", "1234.5 | -5 | -5 | 5 | 5 | 5 | 5"),
        ("€ 5 | 5,50 € | EUR 5 | -5 EUR | 5 CHF | £5 | ₹5", "5 | 5.5 | 5 | -5 | 5 | 5 | 5"),
        ("(1,234.50) | ( 5 ) | ($5) | $(5) | (5) USD | (5 EUR)", "-1234.5 | -5 | -5 | -5 | -5 | -5"),
        ("12.5- | 5- | 5 - | 5+ | 12.50- EUR", "-12.5 | -5 | -5 | 5 | -12.5"),
        ("\u22125 | \u2212 5.5 | +5", "-5 | -5.5 | 5"),
        ("1.5E+3 | 1e-5 | -2e2 | 1E0", "1500 | 0.00001 | -200 | 1"),
        ("1,5E+3 | 1.234", "1500 | 1234"),
        ("“5.5” | \"7\" | '8' | \u200b9\ufeff | \u00a010\u00a0", "5.5 | 7 | 8 | 9 | 10"),
    ],
)
def test_a_column_with_one_reading_is_read(cells: str, values: str) -> None:
    assert number(*cells.split(" | ")) == values.split(" | ")


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("1,234", AMBIGUOUS),
        ("1,234 | 5 | 9,876", f"{AMBIGUOUS} | 5 | {AMBIGUOUS}"),
        ("1.234 | 5", "1.234 | 5"),
        ("1.234 | $5 | (7)", f"{AMBIGUOUS} | 5 | -7"),
        ("1.234 | 1 234 | 5", f"{AMBIGUOUS} | 1234 | 5"),
        ("1.234 | 1E5 | \u200b2.5", "1.234 | 100000 | 2.5"),
        ("5 | \u00ad5", f"5 | {WRONG}"),
        ("1.234 | $1.234", f"{AMBIGUOUS} | {AMBIGUOUS}"),
        ("1.234 | 1,234", f"{AMBIGUOUS} | {AMBIGUOUS}"),
        ("1.234 | 1.234-", f"{AMBIGUOUS} | {AMBIGUOUS}"),
        ("12,5 | 12.75 | 1,234 | 1.234 | 7", f"12.5 | 12.75 | {AMBIGUOUS} | {AMBIGUOUS} | 7"),
        ("1,234 | 0.5", "1234 | 0.5"),
        ("1,234 | 12.75", "1234 | 12.75"),
        ("1,234 | 1234.567", "1234 | 1234.567"),
        ("1,234 | 0,5", "1.234 | 0.5"),
        ("1,234 | 0,500", "1.234 | 0.5"),
        ("1,234 | 1,234,567", "1234 | 1234567"),
    ],
)
def test_a_cell_with_two_readings_is_read_as_its_column_or_not_at_all(cells: str, values: str) -> None:
    assert number(*cells.split(" | ")) == values.split(" | ")


@pytest.mark.parametrize(
    "cell",
    [
        *("12 %", "12%", "% 5", "5 ‰", "5 kg", "5 TSD", "5k", "5 XAU", "--5", "-(5)", "(-5)", "+-5", "-5-", "(5", "5)"),
        *(
            "1,23,4",
            "1,2345.5",
            "12,34.5",
            "1.2.3",
            "1,234,56",
            "1 23",
            "1'23.5",
            "1 234'567",
            "5.",
            ",",
            ".",
            "$",
            "()",
        ),
        *(
            "0x1F",
            "1_000",
            "½",
            "５",
            "٣",
            "5 5",
            "5 EUR 6",
            "$ 5 €",
            "1e",
            "e5",
            "1e5e5",
            "1,5,5e3",
            "inf",
            "Infinity",
        ),
    ],
)
def test_what_is_no_number_or_may_be_another_one_is_refused(cell: str) -> None:
    assert number(cell, "7") == [WRONG, "7"]


def test_a_feed_says_how_numbers_are_written_and_what_contradicts_is_refused() -> None:
    assert number("1,234", "1.234", "12.5", pinned=",") == ["1.234", "1234", WRONG]
    assert number("1,234", "1.234", "12,5", pinned=".") == ["1234", "1.234", WRONG]
    assert number("0.500", pinned=",") == [WRONG]
    assert integer("1.234", "2.000", pinned=",") == [1234, 2000]
    assert integer("2.000", pinned=".") == [2]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1,234", "2,000", "5"], [1234, 2000, 5]),
        (["2,000"], [AMBIGUOUS]),
        (["1.234"], [AMBIGUOUS]),
        (["1.234", "1,234"], [AMBIGUOUS, AMBIGUOUS]),
        (["1.234", "1.234.567"], [1234, 1234567]),
        (["1,5", "1,234"], [WRONG, WRONG]),
        (["12.0", "3", "12.00", "1.5"], [12, 3, 12, WRONG]),
        (["12.0", "2.000", "2,000"], [12, 2, 2000]),
        (["12,0", "2.000"], [12, 2000]),
        (["1e5", "1E+05", "$5", "1 234", "(5)", "7-"], [WRONG, WRONG, 5, 1234, -5, -7]),
        (["9,223,372,036,854,775,807", "9,223,372,036,854,775,808"], [2**63 - 1, WRONG]),
    ],
)
def test_an_integer_is_whole_in_its_one_reading(cells: list[str], values: list[int | str]) -> None:
    assert integer(*cells) == values


def test_the_limits_of_numbers_hold_however_they_are_written() -> None:
    long = "9" * 39
    assert number(f"${long}", "1E+38", "1E-39", "1E+37", "12,5") == [
        *["!number_too_large"] * 3,
        "1" + "0" * 37,
        "12.5",
    ]


def test_a_rule_that_says_how_its_numbers_are_written_decides_alone() -> None:
    assert read(FieldType.NUMBER, "1.234,5", "1,234.5", "(5)", "N/A", decimal_char=",", group_char=".") == [
        *("1234.5", WRONG, WRONG, WRONG)
    ]
    assert read(FieldType.NUMBER, "12 %", "1,234", "5-", bare_number=False) == ["12", WRONG, WRONG]


def test_what_was_decided_is_told() -> None:
    assert style(FieldType.NUMBER, "1.234,5", "7") == {"decimal": ","}
    assert style(FieldType.NUMBER, "1,5", "1.5") == {"decimal": "mixed"}
    assert style(FieldType.NUMBER, "1,234", "7") == {"decimal": "mixed"}
    assert style(FieldType.NUMBER, "1.234", "7") == {}
    assert style(FieldType.INTEGER, "1,234", pinned=Style.of(",")) == {"decimal": ","}
    for told in (Style.of(","), Style("", True), Style.of(None, "dmy"), Style("", False, ("dmy", "", "mdy"))):
        again = Style.of_json(told.to_json())
        assert (again.dates, again.doubtful) == (told.dates, told.doubtful)
        assert again.decimal == (told.decimal or ("" if told.doubtful else "."))
