"""One text for each JSON value: numbers above all, which can be written in many ways."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ingester.checks.canonical import read, write
from ingester.checks.number import MAX_DIGITS


def canonical(text: str) -> str:
    return write(read(text))


@pytest.mark.parametrize(
    ("canonical_number", "others"),
    [
        ("0", ["-0", "0.0", "-0.00", "0e5", "0E-99999"]),
        ("1", ["1.0", "1e0", "10e-1", "0.1e1", "1.000"]),
        ("-1.5", ["-1.50", "-15e-1", "-0.15E+1"]),
        ("100000", ["1e5", "1E5", "1e+5", "100000.0"]),
        ("0.05", ["5e-2", "0.050", "0.5e-1"]),
        ("1" + "0" * (MAX_DIGITS - 1), [f"1e{MAX_DIGITS - 1}"]),
        ("0." + "0" * (MAX_DIGITS - 1) + "1", [f"1e-{MAX_DIGITS}"]),
        (f"1e{MAX_DIGITS}", ["1" + "0" * MAX_DIGITS]),
        ("-1.23e400", ["-123e398", "-0.0123e402"]),
        ("1e-999", ["0." + "0" * 998 + "1", "0.001e-996"]),
        ("1e1000", ["0.1e1001"]),
    ],
)
def test_equal_numbers_have_one_text(canonical_number: str, others: list[str]) -> None:
    assert canonical(f"[{canonical_number}]") == f"[{canonical_number}]"
    assert {canonical(f'{{"a": [{text}]}}') for text in others} == {f'{{"a":[{canonical_number}]}}'}


@pytest.mark.parametrize(
    "digits", ["9" * 1000, "1" + "0" * 998 + "1", "0." + "1" * 999, f"-{'9' * 500}.{'9' * 500}", "1" * 1000 + "e1"]
)
def test_no_digit_of_a_long_number_is_lost(digits: str) -> None:
    found = canonical(digits)
    assert Decimal(found) == Decimal(digits)
    assert canonical(found) == found


def test_a_short_number_never_becomes_a_long_text() -> None:
    assert max(len(canonical(f"{digit}e{tens}")) for digit in (1, -9) for tens in range(-1000, 1001)) < 2 * MAX_DIGITS


def test_numbers_in_texts_and_names_are_left_alone() -> None:
    assert canonical('{"1.0": "1e5"}') == '{"1.0":"1e5"}'
