"""Words, cells without a value, errors of spreadsheets, and what nobody sees."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from ingester.checks.any_boolean import words
from ingester.checks.compile import CompiledEntity
from ingester.ruleset.model import Constraints, Entity, Field, FieldType, ForeignKey
from tests.column import read, read_field

WRONG = "!invalid_type"
EMPTY = ("NULL", "null", "N/A", "n/a", "#N/A", "NaN", "None", "nil", "-", "--", "\\N", "(null)", "\u2014", " NULL ")
TYPED = [FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN, FieldType.DATE, FieldType.TIME, FieldType.DATETIME]


@pytest.mark.parametrize("kind", [*TYPED, FieldType.YEAR, FieldType.YEARMONTH, FieldType.DURATION])
def test_words_for_no_value_are_none_where_cells_have_a_type(kind: FieldType) -> None:
    assert read(kind, *EMPTY, "\u200b", "\u00a0") == [None] * (len(EMPTY) + 2)
    required = Constraints(required=True)
    assert read(kind, "NULL", "\ufeff", "x", constraints=required) == ["!required", "!required", WRONG]


def test_words_for_no_value_are_texts_where_cells_are_texts() -> None:
    cells = ("NULL", "None", "-", "N/A")
    assert read(FieldType.STRING, *cells) == [*cells]
    field = Field(name="f", type=FieldType.BOOLEAN, true_values=("yes",), false_values=("-",))
    assert read_field(field, "yes", "-", "NULL") == [True, False, WRONG]


def test_the_words_are_counted_as_they_were_sent() -> None:
    field = Field(name="f", type=FieldType.INTEGER)
    checked = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,))).check(
        {"f": pa.array(["1", "NULL", "null", " NULL", "\u00a0", "x"])}
    )
    assert checked.no_values == {"f": Counter({"NULL": 2, "null": 1})}
    assert [finding.positions.tolist() for finding in checked.findings] == [[5]]


@pytest.mark.parametrize("kind", [*TYPED, FieldType.STRING, FieldType.ANY, FieldType.LIST, FieldType.OBJECT])
def test_an_error_of_a_spreadsheet_is_no_value_of_any_type(kind: FieldType) -> None:
    errors = ("#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#WERT!")
    assert read(kind, *errors) == ["!spreadsheet_error"] * len(errors)


def test_a_text_may_begin_with_a_hash() -> None:
    assert read(FieldType.STRING, "#1", "#", "#REF", "#n/a!", "#N/A") == [
        "#1",
        "#",
        "#REF",
        "#n/a!",
        "!spreadsheet_error",
    ]
    assert read(FieldType.STRING, "", "a") == [None, "a"]


def test_booleans_have_words_in_several_languages() -> None:
    true = ["yes", "Y", "on", "TRUE", "t", "1", "ja", "J", "oui", "S\u00cd", "sim", "WAHR", "vrai", "tak", " Yes\u00a0"]
    false = ["no", "N", "off", "False", "f", "0", "nein", "non", "N\u00c3O", "FALSCH", "faux", "nie", "nee"]
    assert read(FieldType.BOOLEAN, *true) == [True] * len(true)
    assert read(FieldType.BOOLEAN, *false) == [False] * len(false)
    assert read(FieldType.BOOLEAN, "maybe", "2", "ne", "O", "x", "yes no") == [WRONG] * 6


def test_no_word_is_both_true_and_false() -> None:
    true, false = words()
    assert not true & false
    assert all(word == word.lower() for word in true | false)


def keyed(**constraints: Any) -> tuple[Field, dict[str, Any]]:
    return Field(name="f", constraints=Constraints(**constraints)), {}


@pytest.mark.parametrize(
    ("field", "rules"),
    [
        (Field(name="f"), {"primary_key": ("f",)}),
        (Field(name="f"), {"foreign_keys": (ForeignKey(fields=("f",), entity="o", reference_fields=("id",)),)}),
        (Field(name="f", constraints=Constraints(unique=True)), {}),
        (Field(name="f", type=FieldType.NUMBER, constraints=Constraints(unique=True)), {}),
    ],
)
def test_an_identifier_that_a_spreadsheet_abbreviated_is_refused(field: Field, rules: dict[str, Any]) -> None:
    damaged = ["1.23E+12", "1E+05", "1,23E+12", "9.99999E+100"]
    assert read_field(field, *damaged, **rules) == ["!scientific_id"] * 4
    if field.type is FieldType.STRING:
        fine = ["1.23E12", "1E5", "A1E+05", "12E+05", "1E+5", "0E+05", "E+05", "1+05"]
        assert read_field(field, *fine, **rules) == fine


def test_a_text_that_tells_no_records_apart_may_look_like_a_power_of_ten() -> None:
    assert read(FieldType.STRING, "1.23E+12") == ["1.23E+12"]


def test_what_nobody_sees_around_a_key_is_left_out_with_a_warning() -> None:
    cells = ["\u00a0A-1", "A-2\u200b", "\ufeffA-3 ", " A-4", "A\u00a05", "\u200b", "\u00e9"]
    key = Field(name="f")
    assert read_field(key, *cells, primary_key=("f",)) == [
        *("A-1", "A-2", "A-3", " A-4", "A\u00a05", "!required", "\u00e9")
    ]
    entity = Entity(catalogue="c", name="e", fields=(key,), primary_key=("f",))
    findings = CompiledEntity(entity).check({"f": pa.array(cells)}).findings
    assert {each.code: each.positions.tolist() for each in findings} == {
        "required": [5],
        "invisible_characters": [0, 1, 2],
    }


def test_what_nobody_sees_is_kept_in_other_texts_and_ignored_where_texts_are_compared() -> None:
    assert read(FieldType.STRING, "\u00a0a", "b\u200b") == ["\u00a0a", "b\u200b"]
    enum = Constraints(enum=("new", "old"))
    assert read(FieldType.STRING, "\u00a0new", "old\u200b", "older\u200b", constraints=enum) == [
        *("new", "old", "!invalid_enum_value")
    ]
    assert read(FieldType.STRING, "a@example.com\u00a0", " a@example.com", format="email") == [
        *("a@example.com", "!invalid_email")
    ]
