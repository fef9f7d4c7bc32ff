from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ingester.ruleset.expression import MAX_DEPTH, MAX_LENGTH, ExpressionError, parse
from ingester.ruleset.expression_tree import Call, Comparison, Constant, Kind, Logic, Membership, Node, Reference
from ingester.ruleset.model import Constraints, Field, FieldType

FIELDS = {
    field.name: field
    for field in (
        Field(name="starts_on", type=FieldType.DATE),
        Field(name="ends_on", type=FieldType.DATE),
        Field(name="seen_at", type=FieldType.DATETIME),
        Field(name="opens_at", type=FieldType.TIME),
        Field(name="name"),
        Field(name="status", constraints=Constraints(enum=("lead", "won"))),
        Field(name="total", type=FieldType.NUMBER),
        Field(name="quantity", type=FieldType.INTEGER),
        Field(name="founded", type=FieldType.YEAR),
        Field(name="period", type=FieldType.YEARMONTH),
        Field(name="lasts", type=FieldType.DURATION),
        Field(name="tags", type=FieldType.LIST),
        Field(name="active", type=FieldType.BOOLEAN),
        Field(name="place", type=FieldType.GEOPOINT),
        Field(name="event.key"),
        Field(name="custom.{name}"),
    )
}


def root(text: str) -> Node:
    return parse(text, FIELDS).root


def test_a_comparison_is_a_typed_tree() -> None:
    assert root("ends_on >= starts_on") == Comparison(
        ">=", Reference("ends_on", Kind.DATE), Reference("starts_on", Kind.DATE)
    )


def test_fields_come_in_the_order_in_which_they_appear() -> None:
    assert parse("total > 0 and (quantity < total or event.key == 'x')", FIELDS).fields == (
        "total",
        "quantity",
        "event.key",
    )


def test_a_chain_is_the_conjunction_of_its_links() -> None:
    found = root("starts_on <= ends_on <= today()")
    assert isinstance(found, Logic)
    assert found.operator == "and"
    assert len(found.operands) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("starts_on < '2024-02-29'", date(2024, 2, 29)),
        ("'2024-02-29' > starts_on", date(2024, 2, 29)),
        ("seen_at < '2024-01-01T10:00:00+02:00'", datetime(2024, 1, 1, 8, tzinfo=UTC)),
        ("seen_at < '2024-01-01T10:00'", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("period < '2024-01'", "2024-01"),
        ("lasts == 'PT8H'", "PT8H"),
        ("total == 0.1", Decimal("0.1")),
        ("total == 1_000.10", Decimal("1000.10")),
        ("total == -0.1", Decimal("-0.1")),
        ("total == 1e3", Decimal(1000)),
        ("total == 123456789012345678901234567890.12345678", Decimal("123456789012345678901234567890.12345678")),
    ],
)
def test_constants_are_exact_and_of_the_kind_beside_them(text: str, value: object) -> None:
    found = root(text)
    assert isinstance(found, Comparison)
    constant = found.right if isinstance(found.right, Constant) else found.left
    assert isinstance(constant, Constant)
    assert constant.value == value


def test_a_list_of_texts_beside_a_date_is_one_of_dates() -> None:
    found = root("starts_on in ('2024-01-01', '2024-07-01')")
    assert isinstance(found, Membership)
    assert [value.value for value in found.values] == [date(2024, 1, 1), date(2024, 7, 1)]


def test_rounding_without_digits_is_to_an_integer() -> None:
    found = root("round(total) == quantity")
    assert isinstance(found, Comparison)
    assert found.left == Call("round", (Reference("total", Kind.NUMBER),), Kind.INTEGER)


@pytest.mark.parametrize(
    "text",
    [
        "ends_on - starts_on <= 30",
        "starts_on + quantity < ends_on",
        "7 + starts_on > ends_on",
        "founded >= 1900",
        "len(tags) < 5 and len(name) > 1",
        "active",
        "not active or name is not None",
        "active == True",
        r"matches(name, r'\d+\b')",
        "startswith(lower(name), 'a') and endswith(upper(name), 'Z')",
        "coalesce(total, quantity, 0) % 5 == 0",
        "min(starts_on, ends_on, '2024-01-01') < max(starts_on, ends_on)",
        "abs(-total) / 3 > +quantity",
        "status not in ['lead']",
        "place is None",
        "tags is not None",
        "  total > 0  ",
    ],
)
def test_the_language_can_say(text: str) -> None:
    assert root(text).kind is Kind.BOOLEAN


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("starts_on < 3", 13, "`3` is an integer, beside a date"),
        ("name == starts_on", 9, "`starts_on` is a date, beside a text"),
        ("starts_on < seen_at", 13, "`seen_at` is a datetime, beside a date"),
        ("starts_on < '31.12.2024'", 13, "'31.12.2024' is no date; write it as '2026-11-21'"),
        ("starts_on < '2024-02-30'", 13, "'2024-02-30' is no date"),
        ("total", 1, "`total` is a number, which is neither true nor false"),
        ("total and active", 1, "neither true nor false"),
        ("name + name == ''", 1, "`name` is a text: + cannot take it with text"),
        ("starts_on + total > ends_on", 1, "+ cannot take it with number"),
        ("starts_on * 2 > ends_on", 1, "* cannot take it with integer"),
        ("active < True", 1, "`active` is a boolean, which < cannot compare"),
        ("place == 'x'", 10, "beside a value"),
        ("tags == tags", 1, "`tags` is a list, which == cannot compare"),
        ("totl > 0", 1, "there is no field 'totl', did you mean 'total'?"),
        ("event.kye == 'x'", 1, "there is no field 'event.kye', did you mean 'event.key'?"),
        ("custom.tier == 'x'", 1, "'custom.tier' belongs to a family of columns"),
        ("status == 'leed'", 11, "'leed' is not in the enum of status, did you mean 'lead'?"),
        ("status in ('won', 'gone')", 19, "'gone' is not in the enum of status, expected lead or won"),
        ("name == None", 9, "write `is None`"),
        ("name is 'x'", 9, "only None may follow `is`"),
        ("name in tags", 9, "expected a list of values"),
        ("name in ()", 9, "expected a list of values"),
        ("name in (name,)", 10, "`name` is no constant"),
        ("matches(name, '\\\\bx')", 15, "so that a backslash stays one"),
        ("matches(name, '\\d')", 15, "write r'…' around a pattern"),
        ("matches(name, r'(?=x)')", 15, "not an RE2 regular expression"),
        ("matches(name, name)", 15, "is no text in quotes"),
        ("round(total, quantity) == 1", 14, "is not how many digits to keep"),
        ("len(total) > 1", 5, "`total` is a number, expected a text or a list"),
        ("lower(total) == 'x'", 7, "expected a text"),
        ("max(active, active)", 5, "`active` is a boolean"),
        ("len() == 1", 1, "write len(text)"),
        ("len(text=name) == 1", 1, "write len(text)"),
        ("max(*tags) == 1", 1, "write max(a, b)"),
        ("length(name) == 1", 1, "there is no function 'length'"),
        ("name.upper() == 'X'", 1, "there is no function 'name.upper', did you mean 'upper'?"),
        ("__import__('os').system('x') == 0", 1, "there is no function"),
        ("active & active", 1, "write `and` and `or`"),
        ("total ** 2 > 1", 1, "the operators are + - * / %"),
        ("total // 2 > 1", 1, "the operators are + - * / %"),
        ("active if active else active", 1, "write `not (condition) or (assertion)`"),
        ("[total] == 1", 1, "a list may only follow `in`"),
        ("(lambda: 1) == 1", 2, "is not part of the language"),
        ("[x for x in name] == 1", 1, "is not part of the language"),
        ("name[0] == 'x'", 1, "is not part of the language"),
        ("f'{name}' == 'x'", 1, "is not part of the language"),
        ("(total := 3) > 1", 2, "is not part of the language"),
        ("total > 3j", 9, "is not part of the language"),
        ("name == b'x'", 9, "is not part of the language"),
        ("total > 1e99", 9, "at most 38 digits"),
        ("total = 1", 7, "write == to compare"),
        ("total >", 1, "invalid syntax"),
        ("'é' == name and nme == 'x'", 17, "there is no field 'nme', did you mean 'name'?"),
        ("name == 'a\\0'", 9, "cannot hold a NUL"),
        ("total > 0\nand active", 10, "write it on one line"),
        ("1 == 1", 1, "it names no field"),
        (" ", 1, "there is nothing to assert"),
        (" " * 3 + "nam == 'x'", 4, "there is no field 'nam'"),
        ("name == 'x\0'", 1, "null bytes"),
        ("(" * 250 + "active" + ")" * 250, 201, "too many nested parentheses"),
        ("-" * (MAX_DEPTH + 10) + "total > 0", MAX_DEPTH + 1, f"it is nested more than {MAX_DEPTH} deep"),
        ("active" + " or active" * 100, MAX_LENGTH + 1, f"an assertion has at most {MAX_LENGTH} characters"),
    ],
)
def test_what_is_not_said_right_is_shown_where_it_is(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, FIELDS)
    assert message in caught.value.message
    assert caught.value.column == column


def test_a_sum_of_many_fields_is_not_too_deep() -> None:
    parse(" + ".join(["total"] * (MAX_DEPTH - 5)) + " > 0", FIELDS)
