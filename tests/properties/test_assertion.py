"""Assertions over columns against the same expression worked out row by row with Python's fractions."""

from __future__ import annotations

import ast
import operator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from ingester.checks.compile import CompiledEntity
from ingester.ruleset.model import Check, Entity, Field, FieldType
from tests.examples import examples

FIELDS = (
    Field(name="x", type=FieldType.NUMBER),
    Field(name="y", type=FieldType.NUMBER),
    Field(name="n", type=FieldType.INTEGER),
)
NUMBERS = st.one_of(
    st.decimals(-100, 100, places=2),
    st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**37), max_value=10**37),
    st.integers(-3, 3).map(Decimal),
    st.none(),
)
INTEGERS = st.none() | st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1)
TERMS = st.recursive(
    st.sampled_from(["x", "y", "n", "0", "1", "2.50", "0.1", "123456789012345678901234567890"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        inner.map(lambda term: f"-{term}"),
        inner.map(lambda term: f"abs({term})"),
        st.tuples(inner, st.integers(0, 3)).map(lambda parts: f"round({parts[0]}, {parts[1]})"),
        st.tuples(st.sampled_from(["min", "max", "coalesce"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
    ),
    max_leaves=4,
)
ASSERTIONS = st.recursive(
    st.tuples(TERMS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), TERMS).map(" ".join)
    | st.tuples(TERMS, st.sampled_from(["is None", "is not None", "in (1, 0.1)", "not in (2, 2.5)"])).map(" ".join),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
        inner.map(lambda each: f"not ({each})"),
    ),
    max_leaves=3,
)


def names(assertion: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(assertion)) if isinstance(node, ast.Name)} & {"x", "y", "n"}


ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
COMPARISON = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def rounded(value: Fraction, digits: int) -> Fraction:
    size = int(abs(value) * 10**digits + Fraction(1, 2))
    return Fraction(size, 10**digits) * (-1 if value < 0 else 1)


def worked_out(node: ast.expr, row: dict[str, Fraction | None]) -> Any:
    """The value of a row; None is unknown."""
    match node:
        case ast.Constant(value=value):
            return Fraction(str(value))
        case ast.Name(id=name):
            return row[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = worked_out(operand, row)
            return None if value is None else -value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            value = worked_out(operand, row)
            return None if value is None else not value
        case ast.BoolOp(op=word, values=parts):
            values = [worked_out(part, row) for part in parts]
            decided = isinstance(word, ast.Or)
            return decided if decided in values else None if None in values else not decided
        case ast.BinOp(left=left, op=symbol, right=right):
            one, other = worked_out(left, row), worked_out(right, row)
            if one is None or other is None or (other == 0 and isinstance(symbol, ast.Div | ast.Mod)):
                return None
            return ARITHMETIC[type(symbol)](one, other)
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as word]):
            return (worked_out(left, row) is None) == isinstance(word, ast.Is)
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as word], comparators=[ast.Tuple(elts=items)]):
            value = worked_out(left, row)
            among = value in [worked_out(item, row) for item in items]
            return None if value is None else among == isinstance(word, ast.In)
        case ast.Compare(left=left, ops=[symbol], comparators=[right]):
            one, other = worked_out(left, row), worked_out(right, row)
            return None if one is None or other is None else COMPARISON[type(symbol)](one, other)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            values = [worked_out(argument, row) for argument in arguments]
            if name == "coalesce":
                return next((value for value in values if value is not None), None)
            if None in values:
                return None
            functions = {"abs": abs, "min": min, "max": max, "round": lambda value, digits: rounded(value, int(digits))}
            return functions[name](*values)
    raise AssertionError(ast.dump(node))


@examples(250)
@given(ASSERTIONS.filter(names), st.lists(st.tuples(NUMBERS, NUMBERS, INTEGERS), max_size=6))
@example("x / n * n == x", [(Decimal("0.1"), None, 3), (Decimal(1), None, 0)])
@example("abs(n) == -n and n - 1 < n", [(None, None, -(2**63))])
def test_an_assertion_is_worked_out_exactly(assertion: str, rows: list[tuple[Any, Any, Any]]) -> None:
    check = Check(code="wrong", assertion=assertion, fields=("x",), message="Wrong")
    entity = Entity(catalogue="c", name="e", fields=FIELDS, checks=(check,))
    columns = {
        field.name: pa.array(
            ["1", *("" if row[index] is None else f"{Decimal(row[index]):f}" for row in rows)], pa.string()
        ).slice(1)
        for index, field in enumerate(FIELDS)
    }
    findings = CompiledEntity(entity, today=date(2026, 1, 1)).check(columns).asserted
    found = [position for finding in findings for position in finding.positions.tolist()]
    tree = ast.parse(assertion, mode="eval").body
    named = [
        {field.name: None if value is None else Fraction(value) for field, value in zip(FIELDS, row, strict=True)}
        for row in rows
    ]
    assert found == [index for index, row in enumerate(named) if worked_out(tree, row) is False]


@examples(250)
@given(
    ASSERTIONS.filter(names),
    st.lists(st.tuples(NUMBERS, NUMBERS, INTEGERS, NUMBERS, NUMBERS, INTEGERS), min_size=1, max_size=6),
    st.sets(st.sampled_from([field.name for field in FIELDS])),
)
def test_what_is_told_before_stored_values_are_known_stays_true(
    assertion: str, rows: list[tuple[Any, ...]], absent: set[str]
) -> None:
    check = Check(code="wrong", assertion=assertion, fields=("x",), message="Wrong")
    entity = Entity(catalogue="c", name="e", fields=(*FIELDS, Field(name="other")), checks=(check,))
    said = [dict(zip((field.name for field in FIELDS), row[:3], strict=True)) for row in rows]
    stored = [dict(zip((field.name for field in FIELDS), row[3:], strict=True)) for row in rows]
    columns = {"other": pa.array(["a"] * len(rows), pa.string())} | {
        name: pa.array([None if row[name] is None else f"{Decimal(row[name]):f}" for row in said], pa.string())
        for name in (field.name for field in FIELDS)
        if name not in absent
    }
    checked = CompiledEntity(entity, today=date(2026, 1, 1), creates=False).check(columns)
    wrong = {position for finding in checked.asserted for position in finding.positions.tolist()}
    undecided = set() if checked.undecided is None else set(checked.undecided.positions.tolist())
    tree = ast.parse(assertion, mode="eval").body
    for index, (row, record) in enumerate(zip(said, stored, strict=True)):
        after = {name: record[name] if name in absent or row[name] is None else row[name] for name in row}
        known = {name: None if value is None else Fraction(value) for name, value in after.items()}
        says = any(row[name] is not None for name in names(assertion) - absent)
        if index not in undecided and says:
            assert (worked_out(tree, known) is False) == (index in wrong)
