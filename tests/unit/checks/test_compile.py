from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ingester.checks.compile import CompiledEntity, default_value
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Constraints, Entity, Field, FieldType


def entity_of(*fields: Field, **kwargs: Any) -> Entity:
    return Entity(catalogue="c", name="e", fields=fields, **kwargs)


def messages(field: Field, *cells: str, **kwargs: Any) -> list[tuple[str, list[int]]]:
    checked = CompiledEntity(entity_of(field, **kwargs)).check({field.name: pa.array(cells, pa.string())})
    return [(finding.message, finding.positions.tolist()) for finding in checked.findings]


def test_messages_are_in_the_words_customers_know() -> None:
    status = Field(name="s", constraints=Constraints(enum=("lead", "prospect")))
    assert messages(status, "lead", "deleted") == [("Invalid enum value. Expected 'lead' | 'prospect'", [1])]
    assert messages(Field(name="e", format="email"), "not-an-email") == [("Invalid email format", [0])]
    assert messages(Field(name="r", constraints=Constraints(required=True)), "", "x", " ") == [
        ("Field is required", [0, 2])
    ]
    assert messages(Field(name="b", type=FieldType.BOOLEAN), "maybe") == [
        ("Invalid boolean. Expected true | false | 1 | 0", [0])
    ]
    price = Field(name="p", type=FieldType.NUMBER, constraints=Constraints(minimum=Decimal("0.5"), maximum=Decimal(9)))
    assert messages(price, "0.4", "10", "x") == [
        ("Invalid number", [2]),
        ("Value must be at least 0.5", [0]),
        ("Value must be at most 9", [1]),
    ]
    name = Field(name="n", constraints=Constraints(min_length=1, max_length=3))
    assert messages(name, "four") == [("Value must have at most 3 characters", [0])]
    tags = Field(name="t", type=FieldType.ARRAY, constraints=Constraints(min_length=2))
    assert messages(tags, "a", "a|b", '["a","b"]', "[]") == [("Value must have at least 2 items", [0, 3])]


def test_a_cell_that_failed_its_type_gets_only_that() -> None:
    field = Field(name="e", format="email", constraints=Constraints(max_length=3, pattern="x", enum=("y@example.com",)))
    assert messages(field, "no address at all") == [("Invalid email format", [0])]


def test_a_cell_gets_every_constraint_it_violates() -> None:
    field = Field(name="n", constraints=Constraints(max_length=2, pattern="[0-9]+", enum=("12",)))
    assert [message for message, _ in messages(field, "abc")] == [
        "Invalid enum value. Expected '12'",
        "Value does not match the pattern [0-9]+",
        "Value must have at most 2 characters",
    ]


def test_a_key_is_required_and_a_default_makes_a_field_optional() -> None:
    assert messages(Field(name="id"), "", primary_key=("id",)) == [("Field is required", [0])]
    assert messages(Field(name="s", default="new", constraints=Constraints(required=True)), "") == []


def test_missing_values_are_exact_words_and_blank_cells() -> None:
    checked = CompiledEntity(entity_of(Field(name="f"), missing_values=("", "NULL"))).check(
        {"f": pa.array(["", "  ", "\t", "NULL", "null", " NULL", None, " x"])}
    )
    assert checked.columns["f"].to_pylist() == [None, None, None, None, "null", " NULL", None, " x"]


def test_without_an_empty_missing_value_an_empty_cell_is_a_text() -> None:
    checked = CompiledEntity(entity_of(Field(name="f"), missing_values=("-",))).check({"f": pa.array(["", " ", "-"])})
    assert checked.columns["f"].to_pylist() == ["", " ", None]


def test_fields_without_a_column_are_not_checked() -> None:
    compiled = CompiledEntity(entity_of(Field(name="a"), Field(name="b", constraints=Constraints(required=True))))
    assert list(compiled.check({"a": pa.array(["x"])}).columns) == ["a"]


def test_an_enum_of_numbers_compares_numbers() -> None:
    field = Field(name="n", type=FieldType.NUMBER, constraints=Constraints(enum=("1", "2.5")))
    assert messages(field, "1.0", "+2.50", "3") == [("Invalid enum value. Expected '1' | '2.5'", [2])]


@pytest.mark.parametrize(
    ("kind", "minimum", "cells"),
    [
        (FieldType.INTEGER, 10, ["9", "10"]),
        (FieldType.DATE, date(2024, 2, 29), ["2024-02-28", "2024-02-29"]),
        (FieldType.TIME, time(9, 30), ["09:29:59.999999", "09:30"]),
        (FieldType.DATETIME, datetime(2024, 1, 1, tzinfo=UTC), ["2024-01-01T00:59+01:00", "2024-01-01T01:00+01:00"]),
    ],
)
def test_bounds_are_inclusive_for_every_type(kind: FieldType, minimum: Any, cells: list[str]) -> None:
    field = Field(name="f", type=kind, constraints=Constraints(minimum=minimum))
    assert [positions for _, positions in messages(field, *cells)] == [[0]]


def test_a_naive_bound_is_in_the_timezone_of_the_cells() -> None:
    naive = datetime.fromisoformat("2024-07-01T00:00")
    field = Field(name="f", type=FieldType.DATETIME, constraints=Constraints(minimum=naive))
    checked = CompiledEntity(entity_of(field), "Europe/Berlin").check(
        {"f": pa.array(["2024-06-30T21:59Z", "2024-06-30T22:00Z", "2024-07-01T00:00"])}
    )
    assert checked.findings[0].positions.tolist() == [0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Field(name="f"), None),
        (Field(name="f", default="x"), "x"),
        (Field(name="f", type=FieldType.INTEGER, default="+7"), 7),
        (Field(name="f", type=FieldType.NUMBER, default="1.50"), "1.5"),
        (Field(name="f", type=FieldType.BOOLEAN, default="false"), False),
        (Field(name="f", type=FieldType.DATE, default="2024-02-29"), date(2024, 2, 29)),
        (Field(name="f", type=FieldType.ARRAY, default="a|b"), '["a","b"]'),
        (
            Field(name="f", type=FieldType.DATETIME, default="2024-01-01T00:00Z"),
            datetime(2024, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_a_default_has_the_form_of_its_column(field: Field, value: Any) -> None:
    assert default_value(field) == value


@pytest.mark.parametrize(
    "field",
    [
        Field(name="f", type=FieldType.INTEGER, constraints=Constraints(enum=("1", "one"))),
        Field(name="f", constraints=Constraints(pattern="(?=look)ahead")),
    ],
)
def test_a_rule_that_cannot_be_compiled_is_named(field: Field) -> None:
    with pytest.raises(ConfigurationError, match="field f"):
        CompiledEntity(entity_of(field))


def test_a_default_of_another_type_is_named() -> None:
    with pytest.raises(ConfigurationError, match="field f is 'soon'"):
        default_value(Field(name="f", type=FieldType.DATE, default="soon"))
