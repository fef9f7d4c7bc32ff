"""What is read eight bytes at a time is read as the slower way reads it."""

from __future__ import annotations

import re
from datetime import date

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.checks.number import cast_number
from ingester.checks.phone import PhoneNumbers
from ingester.checks.temporal import cast_date
from ingester.checks.words import where, word
from tests.examples import examples

_CANONICAL = re.compile(r"0|-?(?:[1-9][0-9]*(?:\.[0-9]*[1-9])?|0\.[0-9]*[1-9])")


def columns(alphabet: str, most: int) -> st.SearchStrategy[list[str | None]]:
    return st.lists(st.none() | st.text(alphabet, max_size=most), max_size=20)


def test_each_byte_is_told_apart_from_its_neighbours() -> None:
    beside = bytes([0x2E, 0x2D, 0x2F, 0x2E, 0xAE, 0x00, 0xFF, 0x2E])
    found = where(pa.array([int.from_bytes(beside, "little")], pa.uint64()).to_numpy(), ord("."))
    assert int(found[0]) == int.from_bytes(bytes([0x80, 0, 0, 0x80, 0, 0, 0, 0x80]), "little")


def test_a_text_is_a_word_with_its_first_character_lowest() -> None:
    assert word("ab") == 0x6261


@given(columns("0123456789.-1é", 11))
def test_a_canonical_decimal_stays_as_it_is(cells: list[str | None]) -> None:
    typed = cast_number(pa.array(["-0.5", *cells], pa.string()).slice(1))
    for cell, value in zip(cells, typed.values.to_pylist(), strict=True):
        assert (value == cell) == (cell is None or _CANONICAL.fullmatch(cell) is not None)


@given(
    st.lists(
        st.none()
        | st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]", fullmatch=True, alphabet=st.characters(codec="ascii"))
        | st.text("0123456789-/.é", min_size=8, max_size=11),
        max_size=20,
    )
)
def test_a_date_is_one_that_python_reads(cells: list[str | None]) -> None:
    values = cast_date(pa.array(["x", *cells], pa.string()).slice(1)).values.to_pylist()
    assert values == [_date(cell) for cell in cells]


def _date(cell: str | None) -> date | None:
    if cell is None or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        return None
    try:
        return date.fromisoformat(cell)
    except ValueError:
        return None


@pytest.mark.parametrize("region", [None, "US", "IT"])
@examples(20)
@given(st.data())
def test_a_number_in_e164_is_taken_only_if_the_library_takes_it(region: str | None, data: st.DataObject) -> None:
    codes = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    numbers = st.builds("+{}{}".format, st.sampled_from(codes), st.from_regex(r"[0-9]{3,13}", fullmatch=True))
    examples = st.sampled_from([number for code in codes if (number := _example(code)) is not None])
    cells = data.draw(st.lists(numbers | examples, min_size=1, max_size=100))
    found = PhoneNumbers(region)(pa.array(cells, pa.string()))
    refused = {int(at) for fault in found.faults for at in fault.positions}
    for index, (cell, text) in enumerate(zip(cells, found.text.to_pylist(), strict=True)):
        standard = _standard(cell, region)
        assert (text, index in refused) == (cell if standard is None else standard, standard is None)


def _example(code: int) -> str | None:
    number = phonenumbers.example_number(phonenumbers.region_code_for_country_code(code))
    return None if number is None else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _standard(cell: str, region: str | None) -> str | None:
    """What the library makes of a number, if it makes the same of that."""
    number = _read(cell, region)
    return number if number is not None and _read(number, None) == number else None


def _read(cell: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if possible else None
