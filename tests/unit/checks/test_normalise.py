from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ingester.checks.compile import CompiledEntity, default_value
from ingester.checks.normalise import WHITESPACE, Normaliser, trim
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Constraints, Entity, Field, FieldType, Normalisation, Step


def read(field: Field, *cells: str, missing_values: tuple[str, ...] = ("", "NULL")) -> list[Any]:
    """The values, and `!code` for what has a fault."""
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,), missing_values=missing_values))
    checked = compiled.check({field.name: pa.array(["padding", *cells, ""], pa.string()).slice(1)})
    found = checked.columns[field.column].to_pylist()[:-1]
    for finding in checked.findings:
        for position in finding.positions.tolist():
            if position < len(cells):
                found[position] = f"!{finding.code}"
    return found


def field(*steps: Step, region: str | None = None, **kwargs: Any) -> Field:
    return Field(name="f", normalise=tuple(Normalisation(step, region) for step in steps), **kwargs)


@pytest.mark.parametrize(
    ("steps", "cell", "value"),
    [
        ((Step.TRIM,), "\u00a0 a  b \t\u3000", "a  b"),
        ((Step.TRIM,), "à", "à"),
        ((Step.COLLAPSE_SPACES,), " a\u00a0b \n  c ", "a b c"),
        ((Step.LOWER,), "STRASSE É ΟΔΟΣ", "strasse é οδος"),
        ((Step.UPPER,), "straße é", "STRASSE É"),
        ((Step.NFC,), "e\u0301", "é"),
        ((Step.EMAIL,), " John.Doe@Example.COM ", "John.Doe@example.com"),
        ((Step.EMAIL,), "A@B@C.DE", "A@B@c.de"),
        ((Step.EMAIL,), "nobody", "nobody"),
        ((Step.COUNTRY,), "us", "US"),
        ((Step.COUNTRY,), "DEU", "DE"),
        ((Step.COUNTRY,), "The United States of America", "US"),
        ((Step.COUNTRY,), "Korea, Republic of", "KR"),
        ((Step.COUNTRY,), "Republic of Korea", "KR"),
        ((Step.COUNTRY,), "cote d\u2019ivoire", "CI"),
        ((Step.COUNTRY,), "St. Lucia", "LC"),
        ((Step.COUNTRY,), "U.K.", "GB"),
        ((Step.COUNTRY,), "Turkey", "TR"),
        ((Step.COUNTRY,), "Trinidad & Tobago", "TT"),
        ((Step.COUNTRY,), "Russia", "RU"),
        ((Step.CURRENCY,), " eur ", "EUR"),
        ((Step.TRIM, Step.UPPER), " ab ", "AB"),
    ],
)
def test_a_step_writes_the_cell_anew(steps: tuple[Step, ...], cell: str, value: str) -> None:
    assert read(field(*steps), cell, "padding" if Step.COUNTRY not in steps else "FR")[0] == value


def test_what_is_not_recognised_is_a_fault_and_nothing_more_is_said_about_it() -> None:
    assert read(field(Step.COUNTRY), "Atlantis", "Korea", "FR") == ["!invalid_country", "!invalid_country", "FR"]
    assert read(field(Step.CURRENCY), "EURO", "$", "usd") == ["!invalid_currency", "!invalid_currency", "USD"]
    strict = field(Step.COUNTRY, constraints=Constraints(pattern="[A-Z]{2}", max_length=2))
    assert read(strict, "Atlantis") == ["!invalid_country"]


def test_missing_values_stay_missing_before_and_after_the_steps() -> None:
    assert read(field(Step.COUNTRY), "NULL", "  ", "FR") == [None, None, "FR"]
    assert read(field(Step.LOWER), "NULL", "X") == [None, "x"]
    assert read(field(Step.TRIM, Step.PHONE), " NULL ", "\u00a0") == [None, None]
    assert read(field(Step.PHONE, Step.TRIM), " NULL ") == [None]
    required = field(Step.TRIM, constraints=Constraints(required=True))
    assert read(required, "\u00a0", " NULL") == ["!required", "!required"]


def test_constraints_see_the_normalised_text() -> None:
    status = field(Step.TRIM, Step.LOWER, constraints=Constraints(enum=("lead",), max_length=4))
    assert read(status, " LEAD ", "LEADS") == ["lead", "!too_long"]
    mail = field(Step.EMAIL, format="email")
    assert read(mail, " a@B.co ") == ["a@b.co"]


def test_steps_apply_to_every_type() -> None:
    assert read(field(Step.TRIM, type=FieldType.DATE), " 2024-02-29 ")[0].isoformat() == "2024-02-29"
    assert read(field(Step.LOWER, type=FieldType.BOOLEAN), "TRUE", "tRUE") == [True, True]


def test_a_default_is_normalised_as_a_cell_is() -> None:
    assert default_value(field(Step.COUNTRY, default="Germany")) == "DE"
    with pytest.raises(ConfigurationError, match="Atlantis"):
        default_value(field(Step.COUNTRY, default="Atlantis"))


@pytest.mark.parametrize("step", [Step.TRIM, Step.COLLAPSE_SPACES, Step.NFC, Step.EMAIL, Step.COUNTRY])
def test_a_column_that_needs_nothing_is_the_very_same(step: Step) -> None:
    column = pa.array(["US", None, "FR"])
    assert Normaliser([Normalisation(step)])(column)[0] is column


def test_what_is_trimmed_is_what_python_calls_space() -> None:
    characters = [chr(code) for code in range(0x11000) if not 0xD800 <= code < 0xE000]
    trimmed = trim(pa.array([f"{character}x{character}" for character in characters]))
    assert trimmed.to_pylist() == [f"{character}x{character}".strip() for character in characters]
    assert set(WHITESPACE) == {character for character in characters if character.isspace()}


@pytest.mark.parametrize(
    ("region", "cell", "number"),
    [
        ("US", "(602) 555-0134", "+16025550134"),
        ("US", "1-602-555-0134", "+16025550134"),
        ("US", "602.555.0134", "+16025550134"),
        ("US", "+44 20 7946 0958", "+442079460958"),
        ("US", "011 44 20 7946 0958", "+442079460958"),
        ("US", "1-800-FLOWERS", "+18003569377"),
        ("DE", "030 1234567", "+49301234567"),
        ("DE", "+49 (0)30 1234567", "+49301234567"),
        ("DE", "0049 30 1234567", "+49301234567"),
        ("IT", "06 6982 1234", "+390669821234"),
        (None, "+1 602 555 0134", "+16025550134"),
        (None, " +1\u00a0602\u00a05550134", "+16025550134"),
    ],
)
def test_a_telephone_number_becomes_e164(region: str | None, cell: str, number: str) -> None:
    phone = field(Step.PHONE, region=region)
    assert read(phone, cell, number) == [number, number]


@pytest.mark.parametrize(
    "cell", ["602-555-013", "call me", "602 555 0134 x5", "555-0134", "+999 12345678", "+", "12", "+1"]
)
def test_what_is_no_whole_telephone_number_is_a_fault(cell: str) -> None:
    assert read(field(Step.PHONE, region="US"), cell) == ["!invalid_phone"]


def test_a_number_without_a_country_code_needs_a_region() -> None:
    assert read(field(Step.PHONE), "602 555 0134") == ["!invalid_phone"]


def test_an_unknown_region_is_named() -> None:
    with pytest.raises(ConfigurationError, match="field f: phones of the region 'XX'"):
        read(field(Step.PHONE, region="XX"), "1")
