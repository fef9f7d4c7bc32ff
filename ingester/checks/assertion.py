"""A rule file's cross-field checks: typed trees compiled into functions of whole columns.

Null is no value, as in SQL: an assertion that comes to null passes. Besides, a value may be unknown, because what is
stored decides it: whatever follows from an unknown value is null, even whether it is there. What may be written is the
business of `ingester.ruleset.expression`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial, reduce
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks import canonical, duration
from ingester.checks.exact import Exact, both
from ingester.checks.fault import Mask, Positions, present, where_false
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.expression import ExpressionError, parse
from ingester.ruleset.expression_tree import (
    NUMERIC,
    Arithmetic,
    Call,
    Comparison,
    Constant,
    IsNull,
    Kind,
    Logic,
    Membership,
    Node,
    Not,
    Reference,
    fields_of,
)
from ingester.ruleset.model import Check, Field


class Batch:
    """Typed columns of one length, by field name; a column that is not there is null.

    `unknown` says of which rows a field's null is no value at all, but one that cannot be told here.
    """

    def __init__(self, columns: Mapping[str, pa.Array], count: int, unknown: Mapping[str, Mask] | None = None) -> None:
        self._columns = columns
        self._numbers: dict[str, Exact] = {}
        self._unknown = unknown or {}
        self.count = count

    def unknown(self, fields: Collection[str]) -> Mask | None:
        """The rows in which one of `fields` is unknown; None if there are none."""
        masks = [self._unknown[name] for name in fields if name in self._unknown]
        return np.logical_or.reduce(masks) if masks else None

    def column(self, name: str) -> pa.Array | None:
        """The column; None if it is not there."""
        return self._columns.get(name)

    def numbers(self, name: str) -> Exact:
        """A column of numbers, read once for all assertions."""
        if name not in self._numbers:
            column = self._columns.get(name)
            if column is None:
                self._numbers[name] = Exact(0, 1, np.zeros(self.count, np.bool_))
            elif pa.types.is_string(column.type):
                self._numbers[name] = Exact.of_decimals(column)
            else:
                self._numbers[name] = Exact.of_integers(column)
        return self._numbers[name]


#: Numbers are Exact; all other values are Arrow arrays, or scalars that stand for every row.
Value = Any
_Evaluate = Callable[[Batch], Value]


class Assertion:
    """One check of an entity, compiled. Raises ConfigurationError for text that is no assertion."""

    def __init__(self, check: Check, fields: Mapping[str, Field], today: date) -> None:
        try:
            expression = parse(check.assertion, fields)
        except ExpressionError as error:
            where = f"the check {check.code}, character {error.column}"
            raise ConfigurationError(f"{where}: {error.message}") from error
        self.check = check
        self.fields = expression.fields
        self._evaluate = _Compiler(fields, today).compiled(expression.root)

    def judge(self, batch: Batch) -> tuple[Positions, Positions]:
        """The rows of which the assertion is false, and those of which only an unknown value keeps it from being so."""
        answer = _array(self._evaluate(batch), batch.count)
        unknown = batch.unknown(self.fields)
        undecided = np.empty(0, np.int64)
        if unknown is not None and answer.null_count:
            undecided = np.flatnonzero(unknown & ~present(answer))
        return where_false(answer), undecided


def today_in(timezone: str) -> date:
    """What `today()` is for a feed of the timezone."""
    return datetime.now(ZoneInfo(timezone)).date()


_OPERATORS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], pa.Array]]] = {
    "==": (operator.eq, pc.equal),
    "!=": (operator.ne, pc.not_equal),
    "<": (operator.lt, pc.less),
    "<=": (operator.le, pc.less_equal),
    ">": (operator.gt, pc.greater),
    ">=": (operator.ge, pc.greater_equal),
}
_ARITHMETIC = {"+": Exact.plus, "-": Exact.minus, "*": Exact.times, "/": Exact.divided_by, "%": Exact.modulo}
_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.DATETIME: pa.timestamp("us", "UTC"),
    Kind.YEARMONTH: pa.string(),
    Kind.DURATION: pa.string(),
    Kind.LIST: pa.string(),
    Kind.OTHER: pa.string(),
}
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days


class _Compiler:
    """Turns nodes into functions of a batch."""

    def __init__(self, fields: Mapping[str, Field], today: date) -> None:
        self._fields = fields
        self._today = today

    def compiled(self, node: Node) -> _Evaluate:
        match node:
            case Reference(name, kind) if kind in NUMERIC:
                return lambda batch: batch.numbers(name)
            case Reference(name, kind):
                missing = pa.scalar(None, _TYPES[kind])
                return lambda batch: missing if (column := batch.column(name)) is None else column
            case Constant():
                value = _constant(node)
                return lambda _: value
            case Comparison(symbol, left, right):
                return self._comparison(symbol, left, right)
            case Logic(word, operands):
                kernel = pc.and_kleene if word == "and" else pc.or_kleene
                parts = [self.compiled(operand) for operand in operands]
                return lambda batch: reduce(kernel, (part(batch) for part in parts))
            case Not(operand):
                inner = self.compiled(operand)
                return lambda batch: pc.invert(inner(batch))
            case Arithmetic():
                return self._arithmetic(node)
            case Membership(operand, values, negated):
                return self._membership(operand, values, negated)
            case IsNull(operand, negated):
                inner, used = self.compiled(operand), fields_of(operand)
                return lambda batch: _where_known(_is_null(inner(batch), batch.count, negated), batch.unknown(used))
            case Call(function, arguments):
                return self._call(function, arguments)

    def _comparison(self, symbol: str, left: Node, right: Node) -> _Evaluate:
        of_numbers, of_columns = _OPERATORS[symbol]
        one, other = self.compiled(left), self.compiled(right)
        if left.kind in NUMERIC:
            return lambda batch: _compared(one(batch), other(batch), of_numbers, batch.count)
        if left.kind is Kind.DURATION and symbol not in {"==", "!="}:
            return lambda batch: _compared(_lengths(one(batch)), _lengths(other(batch)), of_numbers, batch.count)
        return lambda batch: of_columns(one(batch), other(batch))

    def _membership(self, operand: Node, values: tuple[Constant, ...], negated: bool) -> _Evaluate:
        inner = self.compiled(operand)
        if operand.kind in NUMERIC:
            constants = [_constant(value) for value in values]

            def is_in(batch: Batch) -> pa.Array:
                numbers = inner(batch)
                found = reduce(pc.or_, (_compared(numbers, each, operator.eq, batch.count) for each in constants))
                return pc.invert(found) if negated else found

            return is_in
        value_set = pa.array([_constant(value).as_py() for value in values], _TYPES[operand.kind])

        def is_among(batch: Batch) -> pa.Array:
            column = inner(batch)
            found = pc.is_in(column, value_set=value_set)
            return pc.if_else(pc.is_valid(column), pc.invert(found) if negated else found, pa.scalar(None, pa.bool_()))

        return is_among

    def _arithmetic(self, node: Arithmetic) -> _Evaluate:
        one, other = self.compiled(node.left), self.compiled(node.right)
        if node.left.kind in NUMERIC:
            calculate = _ARITHMETIC[node.operator]
            return lambda batch: calculate(one(batch), other(batch))
        if node.kind is Kind.DATE:
            shift = _ARITHMETIC[node.operator]
            return lambda batch: _date_of(shift(_days(one(batch)), other(batch)), batch.count)
        return lambda batch: _days(one(batch)).minus(_days(other(batch)))

    def _call(self, function: str, arguments: tuple[Node, ...]) -> _Evaluate:
        inner = [self.compiled(argument) for argument in arguments]
        of_numbers = bool(arguments) and arguments[0].kind in NUMERIC
        match function:
            case "today":
                today = pa.scalar(self._today, pa.date32())
                return lambda _: today
            case "len":
                size = canonical.count if arguments[0].kind is Kind.LIST else pc.utf8_length
                return lambda batch: Exact.of_integers(pc.cast(size(_array(inner[0](batch), batch.count)), pa.int64()))
            case "lower" | "upper":
                kernel = pc.utf8_lower if function == "lower" else pc.utf8_upper
                return lambda batch: kernel(inner[0](batch))
            case "startswith" | "endswith" | "matches":
                return _text_test(function, inner[0], str(inner[1](Batch({}, 0)).as_py()))
            case "abs":
                return lambda batch: inner[0](batch).absolute()
            case "round":
                places = inner[1](Batch({}, 0)).numerator
                return lambda batch: inner[0](batch).rounded(places)
            case "coalesce" if of_numbers:
                used = fields_of(*arguments)
                return lambda batch: _known_number(
                    reduce(partial(_first_number, batch.count), (each(batch) for each in inner)), batch, used
                )
            case "coalesce":
                used = fields_of(*arguments)
                return lambda batch: _where_known(pc.coalesce(*(each(batch) for each in inner)), batch.unknown(used))
            case "min" | "max" if of_numbers:
                better = operator.le if function == "min" else operator.ge
                return lambda batch: reduce(
                    partial(_better_number, better, batch.count), (each(batch) for each in inner)
                )
            case "min" | "max":
                extreme = pc.min_element_wise if function == "min" else pc.max_element_wise
                return lambda batch: extreme(*(each(batch) for each in inner), skip_nulls=False)
        raise AssertionError(f"{function} is no function of assertions")


def _constant(constant: Constant) -> Value:
    if constant.kind in NUMERIC:
        assert isinstance(constant.value, int | Decimal), "a number is one"
        return Exact.of_constant(constant.value)
    if constant.kind is Kind.DURATION:
        return pa.scalar(duration.normal_form(str(constant.value)), pa.string())
    return pa.scalar(constant.value, _TYPES[constant.kind])


def _array(value: Value, count: int) -> pa.Array:
    return pa.repeat(value, count) if isinstance(value, pa.Scalar) else value


def _is_null(value: Value, count: int, negated: bool) -> pa.Array:
    numbers = isinstance(value, Exact)
    valid = pa.array(value.validity(count)) if numbers else pc.is_valid(_array(value, count))
    return valid if negated else pc.invert(valid)


def _where_known(answer: Value, unknown: Mask | None) -> Value:
    """What was told of nulls, taken back where a null stands for a value that is unknown."""
    return answer if unknown is None else pc.if_else(pa.array(unknown), pa.scalar(None, answer.type), answer)


def _known_number(number: Exact, batch: Batch, used: Collection[str]) -> Exact:
    unknown = batch.unknown(used)
    if unknown is None:
        return number
    return Exact(number.numerator, number.denominator, number.validity(batch.count) & ~unknown)


def _compared(one: Exact, other: Exact, compare: Callable[[Any, Any], Any], count: int) -> pa.BooleanArray:
    answer = np.broadcast_to(one.compare(other, compare), count)
    valid = both(one.valid, other.valid)
    return pa.array(answer, mask=None if valid is None else np.broadcast_to(~valid, count))


def _first_number(count: int, one: Exact, other: Exact) -> Exact:
    return one.where(one.validity(count), other)


def _better_number(better: Callable[[Any, Any], Any], count: int, one: Exact, other: Exact) -> Exact:
    best = one.where(np.broadcast_to(one.compare(other, better), count), other)
    return Exact(best.numerator, best.denominator, one.validity(count) & other.validity(count))


def _days(dates: Value) -> Exact:
    """Days since 1970."""
    if isinstance(dates, pa.Scalar):
        days = dates.cast(pa.int32()).as_py()
        return Exact(days or 0, 1, None if days is not None else np.zeros(1, np.bool_))
    return Exact.of_integers(dates.cast(pa.int32()).cast(pa.int64()))


def _date_of(days: Exact, count: int) -> pa.Array:
    """The dates of days since 1970; null where there is none."""
    valid = days.validity(count) & np.asarray(days.numerator >= _FIRST_DAY) & np.asarray(days.numerator <= _LAST_DAY)
    numbers = np.where(valid, days.numerator, 0).astype(np.int32)
    return pa.array(numbers, pa.int32(), mask=~valid).cast(pa.date32())


def _lengths(durations: Value) -> Exact:
    """Microseconds; null where there are months, which have no fixed length."""
    durations = _array(durations, 1)
    encoded = durations.dictionary_encode()
    found = [duration.parts(text) for text in encoded.dictionary.to_pylist()]
    # One more for what is null, so that there is something to take.
    months, micros = zip(*found, (1, 0), strict=True)
    indices = encoded.indices.fill_null(len(found)).to_numpy()
    return Exact(np.array(micros, object)[indices], 1, (np.array(months, object) == 0)[indices])


def _text_test(function: str, subject: _Evaluate, pattern: str) -> _Evaluate:
    if function == "matches":
        return lambda batch: pc.match_substring_regex(subject(batch), rf"\A(?:{pattern})\z")
    kernel = pc.starts_with if function == "startswith" else pc.ends_with
    return lambda batch: kernel(subject(batch), pattern)
