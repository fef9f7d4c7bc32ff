"""Normalising against Python's own text functions and phonenumbers, cell by cell; doing it twice is doing it once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.checks.normalise import Normaliser
from ingester.ruleset.model import Normalisation, Step
from tests.examples import examples

SETTINGS = examples(100)
#: Letters with two cases, accents, every kind of blank, marks.
CELLS = st.lists(
    st.none()
    | st.text(st.sampled_from("aAbZ@.,éÉe\u0301 \u00a0\u2003\t\n\x1cßİΣ\u03c3\u0131ǆ佐😀\u1e9b\u212b0"), max_size=8)
    | st.text(max_size=6)
    | st.sampled_from(["us", "USA", "Germany", "cote d'ivoire", "eur", " Usd ", "St Lucia", "A.b@C.De"]),
    max_size=12,
)


def normalised(cells: list[str | None], *steps: Step, region: str | None = None) -> tuple[list[str | None], set[int]]:
    """The cells anew, and those not recognised; as part of a longer column."""
    column = pa.array(["xé ", *cells, "x"], pa.string()).slice(1, len(cells))
    text, faults = Normaliser([Normalisation(step, region) for step in steps])(column)
    text.validate(full=True)
    assert [cell is None for cell in text.to_pylist()] == [cell is None for cell in cells]
    return text.to_pylist(), {position for fault in faults for position in fault.positions.tolist()}


def lower_domain(text: str) -> str:
    local, at, domain = text.strip().rpartition("@")
    return f"{local}@{domain.lower()}" if at else text.strip()


NAIVE: dict[Step, Callable[[str], str]] = {
    Step.TRIM: str.strip,
    Step.COLLAPSE_SPACES: lambda text: re.sub(r"\s+", " ", text).strip(),
    Step.LOWER: str.lower,
    Step.UPPER: str.upper,
    Step.NFC: lambda text: unicodedata.normalize("NFC", text),
    Step.EMAIL: lower_domain,
}


@pytest.mark.parametrize("step", NAIVE)
@SETTINGS
@given(cells=CELLS)
def test_a_step_does_what_python_does(step: Step, cells: list[str | None]) -> None:
    found, _ = normalised(cells, step)
    assert found == [cell if cell is None else NAIVE[step](cell) for cell in cells]


@SETTINGS
@given(
    cells=CELLS,
    steps=st.lists(st.sampled_from([Step.TRIM, Step.COLLAPSE_SPACES, Step.LOWER, Step.EMAIL, Step.COUNTRY, Step.NFC])),
)
def test_what_is_normalised_stays_as_it_is(cells: list[str | None], steps: list[Step]) -> None:
    once, faults = normalised(cells, *steps)
    assert normalised(once, *steps) == (once, faults)


@pytest.mark.parametrize("step", [Step.UPPER, Step.CURRENCY])
@SETTINGS
@given(cells=CELLS)
def test_capitals_and_codes_stay_as_they_are(step: Step, cells: list[str | None]) -> None:
    once, faults = normalised(cells, step)
    assert normalised(once, step) == (once, faults)


def naive_phone(cell: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.ValidationResult.IS_POSSIBLE
    if number.extension or phonenumbers.is_possible_number_with_reason(number) != possible:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
DIGITS = st.text("0123456789", min_size=3, max_size=14)


def example(region: str) -> str:
    number = phonenumbers.example_number(region)
    assert number is not None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)


PHONES = st.one_of(
    DIGITS,
    st.tuples(st.sampled_from(["0", "00", "1", "8", "+", "(0)", "011"]), DIGITS).map("".join),
    st.tuples(st.just("+"), st.sampled_from(CODES).map(str), st.sampled_from(["", " ", "0", " (0)"]), DIGITS).map(
        "".join
    ),
    st.sampled_from(REGIONS).map(example),
    st.text("0123456789+()-./ x", max_size=16),
    st.text(max_size=5),
)


@examples(300)
@given(st.lists(PHONES, max_size=15), st.none() | st.sampled_from(REGIONS))
def test_telephone_numbers_are_what_phonenumbers_says(cells: list[str], region: str | None) -> None:
    found, faults = normalised(list(cells), Step.PHONE, region=region)
    for index, cell in enumerate(cells):
        expected = naive_phone(cell, region)
        if expected is not None and naive_phone(expected, None) != expected:
            expected = None
        assert (found[index], index in faults) == (cell if expected is None else expected, expected is None)
    assert normalised(found, Step.PHONE, region=region) == (found, faults)
