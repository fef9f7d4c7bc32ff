from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from ingester.checks.compile import CompiledEntity, Finding
from ingester.domain.errors import ConfigurationError
from ingester.domain.notice import Severity
from ingester.ruleset.model import Check, Entity, Field, FieldType, Normalisation, Step

FIELDS = (
    Field(name="starts_on", type=FieldType.DATE),
    Field(name="ends_on", type=FieldType.DATE),
    Field(name="seen_at", type=FieldType.DATETIME),
    Field(name="name"),
    Field(name="total", type=FieldType.NUMBER),
    Field(name="price", type=FieldType.NUMBER),
    Field(name="quantity", type=FieldType.INTEGER),
    Field(name="lasts", type=FieldType.DURATION),
    Field(name="period", type=FieldType.YEARMONTH),
    Field(name="tags", type=FieldType.LIST, delimiter=","),
    Field(name="active", type=FieldType.BOOLEAN),
    Field(name="event.key"),
    Field(name="phone", normalise=(Normalisation(Step.PHONE, "US"),)),
)
TODAY = date(2026, 11, 21)


def found(assertion: str, *, creates: bool = True, **kwargs: Any) -> list[Finding]:
    check = Check(code="wrong", assertion=assertion, fields=("total",), message="It is wrong", hint="Mend it.")
    entity = Entity(catalogue="c", name="e", fields=FIELDS, checks=(check,))
    compiled = CompiledEntity(entity, today=TODAY, creates=creates)
    columns = {name.replace("__", "."): pa.array(cells, pa.string()) for name, cells in kwargs.items()}
    return compiled.check(columns).asserted


def wrong(assertion: str, **kwargs: list[str | None]) -> list[int]:
    """The rows of which the assertion is false."""
    return [position for finding in found(assertion, **kwargs) for position in finding.positions.tolist()]


def test_a_row_of_which_the_assertion_is_false_has_a_finding_of_the_checks_own() -> None:
    (finding,) = found("starts_on <= ends_on", starts_on=["2024-01-02", "2024-01-01"], ends_on=["2024-01-01"] * 2)
    assert (finding.fields, finding.code, finding.message) == (("total",), "wrong", "It is wrong")
    assert (finding.severity, finding.hint) == (Severity.ERROR, "Mend it.")
    assert finding.positions.tolist() == [0]


@pytest.mark.parametrize(
    ("assertion", "columns", "rows"),
    [
        (
            "total == price * quantity",
            {"total": ["0.3", "0.30", "0.31"], "price": ["0.1"] * 3, "quantity": ["3"] * 3},
            [2],
        ),
        ("total == 0.1 + 0.2", {"total": ["0.3", "0.30000000000000004"]}, [1]),
        (
            "total == price + 1",
            {
                "total": ["12345678901234567890123456789012345679", "2"],
                "price": ["12345678901234567890123456789012345678", "1"],
            },
            [],
        ),
        (
            "total == price + 0.00000000000000000000000000000000000001",
            {
                "total": ["99999999999999999999999999999999999999.00000000000000000000000000000000000001", "1"],
                "price": ["9" * 38, "1"],
            },
            [1],
        ),
        (
            "total == price * price",
            {"total": ["99999999999999999998000000000001", "1"], "price": ["9999999999999999.9", "1"]},
            [0],
        ),
        (
            "total / price == quantity",
            {"total": ["1", "6", "1"], "price": ["3", "2", "0"], "quantity": ["0", "3", "1"]},
            [0],
        ),
        ("total / 3 * 3 == total", {"total": ["1", "0.1", "-7"]}, []),
        ("total % price == 1", {"total": ["7", "-7", "7.5", "1"], "price": ["3", "4", "3", "0"]}, [2]),
        ("round(total, 2) == price", {"total": ["0.125", "-0.125", "0.124"], "price": ["0.13", "-0.13", "0.13"]}, [2]),
        ("round(total / 3, 1) == price", {"total": ["1", "2"], "price": ["0.3", "0.6"]}, [1]),
        ("abs(total) == price", {"total": ["-5", "5", "-1"], "price": ["5", "5", "-1"]}, [2]),
        ("-total < 0", {"total": ["1", "-1"]}, [1]),
        ("max(total, price, 2) == 3", {"total": ["3", "1", ""], "price": ["1", "4", "3"]}, [1]),
        ("min(total, price) == 1", {"total": ["3", "1"], "price": ["1", "0.9"]}, [1]),
        ("coalesce(total, price, 0) > 0", {"total": ["1", "", ""], "price": ["0", "1", ""]}, [2]),
        ("total in (1, 2.5)", {"total": ["1.0", "2.50", "3", ""]}, [2]),
        ("total not in (1, 2.5)", {"total": ["1.0", "2.50", "3", ""]}, [0, 1]),
        ("quantity == -9223372036854775808", {"quantity": ["-9223372036854775808", "0"]}, [1]),
        ("abs(quantity) == 9223372036854775808", {"quantity": ["-9223372036854775808", "1"]}, [1]),
        ("quantity + quantity > 0", {"quantity": ["9223372036854775807", "-9223372036854775808"]}, [1]),
        (
            "ends_on - starts_on <= 1",
            {"ends_on": ["2024-03-01", "2024-03-01"], "starts_on": ["2024-02-29", "2024-02-28"]},
            [1],
        ),
        (
            "starts_on + 1 == ends_on",
            {"ends_on": ["2024-03-01", "2025-03-01"], "starts_on": ["2024-02-29", "2025-02-27"]},
            [1],
        ),
        (
            "starts_on + quantity > ends_on",
            {"starts_on": ["9999-12-31"], "ends_on": ["9999-12-31"], "quantity": ["1"]},
            [],
        ),
        ("starts_on - 1 < ends_on", {"starts_on": ["0001-01-01"], "ends_on": ["0001-01-01"]}, []),
        ("starts_on <= today()", {"starts_on": ["2026-11-21", "2026-11-22"]}, [1]),
        ("starts_on < '2024-01-01'", {"starts_on": ["2023-12-31", "2024-01-01"]}, [1]),
        ("starts_on in ('2024-01-01', '2024-07-01')", {"starts_on": ["2024-07-01", "2024-07-02", ""]}, [1]),
        (
            "min(starts_on, ends_on) == '2024-01-01'",
            {"starts_on": ["2024-01-01", ""], "ends_on": ["2024-01-02"] * 2},
            [],
        ),
        ("seen_at >= '2024-01-01T00:00:00+01:00'", {"seen_at": ["2023-12-31T23:00Z", "2023-12-31T22:59:59Z"]}, [1]),
        ("period <= '2024-02'", {"period": ["2024-02", "2024-10"]}, [1]),
        ("lasts <= 'PT8H'", {"lasts": ["PT480M", "PT481M", "P1M", ""]}, [1]),
        ("lasts == 'PT1H'", {"lasts": ["PT60M", "PT61M"]}, [1]),
        ("len(name) == 2", {"name": ["é€", "é"]}, [1]),
        ("len(tags) <= 2", {"tags": ["a,b", "a,b,c", ""]}, [1]),
        ("lower(name) == 'é' or upper(name) == 'ß'", {"name": ["É", "x"]}, [1]),
        ("startswith(name, 'a.') and endswith(name, 'z')", {"name": ["a.z", "abz", "a.y"]}, [1, 2]),
        (r"matches(name, r'\d+|x')", {"name": ["12", "12x", "x\n"]}, [1, 2]),
        ("name != 'a\"\\'b'", {"name": ["a\"'b", "a"]}, [0]),
        ("not active or name is not None", {"active": ["true", "true", "false", ""], "name": ["x", "", "", ""]}, [1]),
        ("active == True", {"active": ["true", "false"]}, [1]),
        ("(name is None) == (total is None)", {"name": ["", "x", ""], "total": ["", "", "1"]}, [1, 2]),
        ("coalesce(name, 'x') == 'x'", {"name": ["", "x", "y"]}, [2]),
        ("event.key == 'x'", {"event__key": ["x", "y"]}, [1]),
    ],
)
def test_an_assertion_means_what_it_says(assertion: str, columns: dict[str, list[str | None]], rows: list[int]) -> None:
    assert wrong(assertion, **columns) == rows


def test_null_is_unknown_and_what_is_unknown_passes() -> None:
    assert wrong("total > price", total=["", "1", ""], price=["5", "", ""]) == []
    assert wrong("total > price and quantity > 0", total=["", ""], price=["5", "5"], quantity=["0", "1"]) == [0]
    assert wrong("total > price or quantity > 0", total=["", "", "1"], price=["5"] * 3, quantity=["0", "1", "0"]) == [2]
    assert wrong("not total > price", total=[""], price=["5"]) == []


def test_a_row_with_a_cell_that_failed_its_type_passes() -> None:
    assert wrong("total is not None", total=["x", "", "1"]) == [1]
    assert wrong("coalesce(total, 0) == 1", total=["x", "", "1"], name=["a"] * 3) == [1]
    assert wrong("phone is not None", phone=["nobody", "", "602 555 0134"]) == [1]


def undecided(assertion: str, *, erases: bool = False, **kwargs: Any) -> list[int]:
    """The rows whose stored values decide."""
    check = Check(code="wrong", assertion=assertion, fields=("total",), message="It is wrong")
    entity = Entity(catalogue="c", name="e", fields=FIELDS, checks=(check,))
    compiled = CompiledEntity(entity, today=TODAY, creates=False, erases=erases)
    columns = {name: pa.array(cells, pa.string()) for name, cells in kwargs.items()}
    found = compiled.check(columns).undecided
    return [] if found is None else found.positions.tolist()


def test_what_a_row_does_not_say_is_decided_by_what_is_stored() -> None:
    assert undecided("total > price", total=["", "1", "2"], price=["5", "", "1"]) == [0, 1]
    assert undecided("total > price", total=["1", ""]) == [0]
    assert undecided("total is not None", total=["", "1"]) == [0]
    assert undecided("coalesce(total, price) > 1", total=["", "1"], price=["2", "2"]) == [0]
    assert undecided("coalesce(name, 'x') == 'x' or total > 1", name=["", "x"], total=["0", "0"]) == [0]
    assert undecided("coalesce(name, 'x') == 'x'", name=["", "x"]) == []


def test_what_a_row_says_may_be_enough() -> None:
    assert undecided("total > 1 or price is not None", total=["2", "0"]) == [1]
    assert undecided("total > 1 and price is not None", total=["2", "0"]) == [0]
    assert found("total > 1 and price is not None", creates=False, total=["2", "0"])[0].positions.tolist() == [1]


def test_a_cell_that_erases_is_null_whatever_is_stored() -> None:
    assert undecided("total is not None", total=["", "1"], erases=True) == []
    assert undecided("total > 1 or price > 1", total=["", "2"], erases=True) == [0]


def test_a_cell_that_failed_its_type_is_decided_by_nothing() -> None:
    assert undecided("total is not None or price > 1", total=["x", ""], price=["0", "0"]) == [1]


def test_a_missing_column_of_a_new_record_is_null() -> None:
    assert wrong("total > price or quantity is None", total=["1"]) == []
    assert wrong("price is not None and total > 0", total=["1"]) == [0]
    assert wrong("coalesce(price, total) > 1 and name in ('x',) and len(tags) > 1 and lasts > 'PT1H'", total=["1"]) == [
        0
    ]


def test_a_check_without_any_of_its_columns_is_failed_by_new_records_alone() -> None:
    assert wrong("total is not None", name=["x"]) == [0]
    assert undecided("total is not None", name=["x"]) == [0]
    assert undecided("total is None or total > 1", name=["x"]) == []


def test_an_empty_batch_has_no_findings() -> None:
    assert found("total / price > round(quantity, 1) and starts_on + 1 < ends_on and lasts < 'PT1H'", total=[]) == []


def test_a_slice_of_a_longer_column_is_read_from_its_own_start() -> None:
    check = Check(code="wrong", assertion="total == price", fields=("total",), message="Wrong")
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=FIELDS, checks=(check,)))
    total, price = pa.array(["9", "1", "2.5"]).slice(1), pa.array(["1", "2.5", "9"]).slice(0, 2)
    assert compiled.check({"total": total, "price": price}).asserted == []


def test_a_warning_is_one() -> None:
    check = Check(code="odd", assertion="total > 0", fields=("total",), message="Odd", severity=Severity.WARNING)
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=FIELDS, checks=(check,)))
    assert [each.severity for each in compiled.check({"total": pa.array(["0"])}).asserted] == [Severity.WARNING]


def test_text_that_is_no_assertion_is_named() -> None:
    with pytest.raises(ConfigurationError, match="the check wrong, character 9"):
        found("total > nme", total=["1"])


def test_today_is_the_day_in_the_feeds_timezone() -> None:
    check = Check(code="late", assertion="starts_on <= today()", fields=("starts_on",), message="Late")
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=FIELDS, checks=(check,)), "Pacific/Kiritimati")
    assert not compiled.check({"starts_on": pa.array(["2024-01-01"])}).asserted


def test_sums_of_long_numbers_stay_exact_in_one_batch_with_short_ones() -> None:
    long = int("4" * 38)
    total, price = [long, long, 1], [long * 2, long * 2 + 1, 2]
    assert wrong("total + total == price", total=[*map(str, total)], price=[*map(str, price)]) == [1]
