"""Columns of exact numbers to calculate with: fractions of integers, never a float that could be wrong.

Integers are int64 while every result surely fits, else Python's own, whose arithmetic is a hundred times slower and has
no limit. Which of them is decided for a whole column before each step.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import lengths
from ingester.checks.fault import Mask, present

#: int64 or objects.
Integers = npt.NDArray[Any]

_LIMIT = 2**63 - 1
#: Digits that a decimal of 128 bits has while its lower 64 hold all of it.
_SHORT = 18
#: Room for every digit that a cell may have.
_WIDE = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Exact:
    """Numbers `numerator / denominator`, both of one length or plain integers that stand for every row.

    Denominators are positive. What is not `valid` is null, and its number means nothing.
    """

    numerator: Integers | int
    denominator: Integers | int = 1
    valid: Mask | None = None

    @classmethod
    def of_constant(cls, value: int | Decimal) -> Exact:
        """A number that stands for every row."""
        return cls(*Decimal(value).as_integer_ratio())

    @classmethod
    def of_integers(cls, column: pa.Array) -> Exact:
        """A column of int64."""
        return cls(column.fill_null(0).to_numpy(), 1, _valid(column))

    @classmethod
    def of_decimals(cls, column: pa.StringArray) -> Exact:
        """A column of canonical decimal text."""
        valid = _valid(column)
        column = column.fill_null("0")
        point = pc.find_substring(column, ".").to_numpy()
        size = lengths(column)
        scale = int(np.where(point < 0, 0, size - point - 1).max(initial=0))
        whole = int(np.where(point < 0, size, point).max(initial=0))
        if whole + scale > _SHORT:
            # One distinct text after the other: long numbers are rare, and then often the same.
            encoded = column.dictionary_encode()
            numbers = [int(Decimal(text).scaleb(scale, _WIDE)) for text in encoded.dictionary.to_pylist()]
            return cls(np.array(numbers, object)[encoded.indices.to_numpy()], 10**scale, valid)
        decimals = column.cast(pa.decimal128(_SHORT + 1, scale))
        low = np.frombuffer(decimals.buffers()[1], np.int64)[2 * decimals.offset :: 2][: len(column)]
        return cls(low, 10**scale, valid)

    def compare(self, other: Exact, compares: Callable[[Any, Any], Any]) -> Mask:
        """`compares` of the two; where one is null the answer means nothing."""
        left, right, _ = _aligned(self, other)
        answer: Mask = np.asarray(compares(*_alike(left, right)), np.bool_)
        return answer

    def plus(self, other: Exact) -> Exact:
        """The sum."""
        left, right, denominator = _aligned(self, other)
        return Exact(_add(left, right), denominator, both(self.valid, other.valid))

    def minus(self, other: Exact) -> Exact:
        """The difference."""
        return self.plus(Exact(_multiply(other.numerator, -1), other.denominator, other.valid))

    def times(self, other: Exact) -> Exact:
        """The product."""
        numerator = _multiply(self.numerator, other.numerator)
        denominator = _multiply(self.denominator, other.denominator)
        return Exact(numerator, denominator, both(self.valid, other.valid))

    def divided_by(self, other: Exact) -> Exact:
        """The quotient, as a fraction; null where the divisor is 0."""
        divisor, known = _nonzero(other.numerator)
        sign = _sign(divisor)
        numerator = _multiply(_multiply(self.numerator, other.denominator), sign)
        denominator = _multiply(self.denominator, _multiply(divisor, sign))
        return Exact(numerator, denominator, both(both(self.valid, other.valid), known))

    def modulo(self, other: Exact) -> Exact:
        """What is left after division, with the sign of the divisor as in Python; null where the divisor is 0."""
        left, right, denominator = _aligned(self, other)
        right, known = _nonzero(right)
        rest = _plain(np.mod(*_alike(left, right)))
        return Exact(rest, denominator, both(both(self.valid, other.valid), known))

    def absolute(self) -> Exact:
        """Without the sign."""
        return Exact(_magnitude(self.numerator), self.denominator, self.valid)

    def rounded(self, digits: int) -> Exact:
        """The nearest number with so many digits after the point; a half goes away from zero."""
        power = 10**digits
        numerator = _multiply(self.numerator, 2 * power)
        size = _add(_magnitude(numerator), self.denominator)
        nearest = _plain(np.floor_divide(*_alike(size, _multiply(self.denominator, 2))))
        return Exact(_multiply(nearest, _sign(numerator)), power, self.valid)

    def where(self, chosen: Mask, other: Exact) -> Exact:
        """These numbers where `chosen`, the other ones elsewhere."""
        left, right, denominator = _aligned(self, other)
        count = len(chosen)
        valid = np.where(chosen, self.validity(count), other.validity(count))
        return Exact(np.where(chosen, *_alike(left, right)), denominator, valid)

    def validity(self, count: int) -> Mask:
        """Where there is a number, for so many rows."""
        return np.ones(count, np.bool_) if self.valid is None else np.broadcast_to(self.valid, count)


def both(one: Mask | None, other: Mask | None) -> Mask | None:
    """Where both are valid; None is everywhere."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _valid(column: pa.Array) -> Mask | None:
    return present(column) if column.null_count else None


def _largest(numbers: Integers | int) -> int:
    if isinstance(numbers, int):
        return abs(numbers)
    return max(int(numbers.max()), -int(numbers.min())) if numbers.size else 0


def _is_wide(numbers: Integers | int) -> bool:
    return not isinstance(numbers, int) and numbers.dtype == object


def _objects(numbers: Integers | int) -> Integers | int:
    return numbers if isinstance(numbers, int) else numbers.astype(object)


def _alike(one: Integers | int, other: Integers | int) -> tuple[Integers, Integers]:
    wide = any(_is_wide(each) or _largest(each) > _LIMIT for each in (one, other))
    kind: type = object if wide else np.int64
    return np.asarray(one, kind), np.asarray(other, kind)


def _magnitude(numbers: Integers | int) -> Any:
    """Without the sign; the smallest int64 has no positive of its own."""
    if isinstance(numbers, int):
        return abs(numbers)
    return np.abs(_objects(numbers) if _largest(numbers) > _LIMIT else numbers)


def _plain(numbers: Any) -> Integers | int:
    """What NumPy gives for two plain integers as one again."""
    return numbers if np.ndim(numbers) else int(numbers)


def _multiply(one: Integers | int, other: Integers | int) -> Any:
    for single, numbers in ((one, other), (other, one)):
        if isinstance(single, int) and single == 1:
            return numbers
    return _calculated(operator.mul, one, other)


def _add(one: Integers | int, other: Integers | int) -> Any:
    return _calculated(operator.add, one, other)


def _calculated(calculate: Callable[[Any, Any], Any], one: Integers | int, other: Integers | int) -> Any:
    """In int64 if the numbers fit and the largest result does."""
    if not (_is_wide(one) or _is_wide(other)):
        largest = _largest(one), _largest(other)
        if max(*largest, calculate(*largest)) <= _LIMIT:
            return calculate(one, other)
    return calculate(_objects(one), _objects(other))


def _sign(numbers: Integers | int) -> Integers | int:
    if isinstance(numbers, int):
        return -1 if numbers < 0 else 1
    return np.where(numbers < 0, -1, 1)


def _nonzero(numbers: Integers | int) -> tuple[Integers | int, Mask | None]:
    """With 1 for 0, and where that was not necessary."""
    zero = np.asarray(numbers == 0)
    if not zero.any():
        return numbers, None
    if not zero.ndim:
        return 1, np.zeros(1, np.bool_)
    return np.where(zero, 1, numbers), ~zero


def _aligned(one: Exact, other: Exact) -> tuple[Any, Any, Any]:
    """Both numerators over one denominator, and that."""
    left, right = one.denominator, other.denominator
    if isinstance(left, int) and isinstance(right, int):
        common = math.lcm(left, right)
        return _multiply(one.numerator, common // left), _multiply(other.numerator, common // right), common
    return _multiply(one.numerator, right), _multiply(other.numerator, left), _multiply(left, right)
