"""The functions of assertions: what each takes and gives. Reading calls is `ingester.ruleset.expression`'s business."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from ingester.ruleset.expression_tree import NUMERIC, ORDERED, Constant, Kind, Node, a_kind

#: Of `round`.
MAX_PLACES = 12


class Unfit(Exception):
    """The argument at `index` is none that the function takes."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Function:
    """`kind` is what it gives for these arguments; it raises Unfit for the first that it cannot take."""

    usage: str
    least: int
    most: int
    kind: Callable[[Sequence[Node]], Kind]
    #: Whether its arguments must be of one kind.
    alike: bool = False


def _expect(arguments: Sequence[Node], index: int, kinds: frozenset[Kind], expected: str) -> None:
    if arguments[index].kind not in kinds:
        raise Unfit(index, f"is {a_kind(arguments[index].kind)}, expected {expected}")


def _length(arguments: Sequence[Node]) -> Kind:
    _expect(arguments, 0, frozenset({Kind.TEXT, Kind.LIST}), "a text or a list")
    return Kind.INTEGER


def _case(arguments: Sequence[Node]) -> Kind:
    _expect(arguments, 0, frozenset({Kind.TEXT}), "a text")
    return Kind.TEXT


def _absolute(arguments: Sequence[Node]) -> Kind:
    _expect(arguments, 0, NUMERIC, "a number")
    return arguments[0].kind


def _rounded(arguments: Sequence[Node]) -> Kind:
    _expect(arguments, 0, NUMERIC, "a number")
    if len(arguments) == 1:
        return Kind.INTEGER
    places = arguments[1]
    if not (isinstance(places, Constant) and places.kind is Kind.INTEGER and 0 <= int(str(places.value)) <= MAX_PLACES):
        raise Unfit(1, f"is not how many digits to keep after the point, 0 to {MAX_PLACES}")
    return Kind.NUMBER


def _extreme(arguments: Sequence[Node]) -> Kind:
    return _one_of(arguments, ORDERED - {Kind.DURATION})


def _first(arguments: Sequence[Node]) -> Kind:
    return _one_of(arguments, ORDERED | {Kind.BOOLEAN})


def _one_of(arguments: Sequence[Node], kinds: frozenset[Kind]) -> Kind:
    for index in range(len(arguments)):
        _expect(arguments, index, kinds, "a number, text, date or time")
    found = {argument.kind for argument in arguments}
    return Kind.NUMBER if Kind.NUMBER in found else arguments[0].kind


def _affix(arguments: Sequence[Node]) -> Kind:
    _expect(arguments, 0, frozenset({Kind.TEXT}), "a text")
    if not isinstance(arguments[1], Constant) or arguments[1].kind is not Kind.TEXT:
        raise Unfit(1, "is no text in quotes")
    return Kind.BOOLEAN


def _matches(arguments: Sequence[Node]) -> Kind:
    _affix(arguments)
    pattern = arguments[1]
    assert isinstance(pattern, Constant), "an affix is a constant"
    options: Any = re2.Options()
    options.log_errors = False  # else the C++ library writes to stderr
    try:
        re2.compile(str(pattern.value), options=options)
    except re2.error as error:
        fault = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        raise Unfit(1, f"is not an RE2 regular expression: {fault}") from error
    return Kind.BOOLEAN


def _today(_: Sequence[Node]) -> Kind:
    return Kind.DATE


#: `matches` looks at the whole text, as `pattern` does; `round` rounds halves away from zero, as spreadsheets do.
FUNCTIONS: Mapping[str, Function] = {
    "len": Function("len(text)", 1, 1, _length),
    "lower": Function("lower(text)", 1, 1, _case),
    "upper": Function("upper(text)", 1, 1, _case),
    "abs": Function("abs(number)", 1, 1, _absolute),
    "round": Function("round(number, digits)", 1, 2, _rounded),
    "min": Function("min(a, b)", 2, 20, _extreme, alike=True),
    "max": Function("max(a, b)", 2, 20, _extreme, alike=True),
    "startswith": Function("startswith(text, 'start')", 2, 2, _affix),
    "endswith": Function("endswith(text, 'end')", 2, 2, _affix),
    "matches": Function("matches(text, r'pattern')", 2, 2, _matches),
    "today": Function("today()", 0, 0, _today),
    "coalesce": Function("coalesce(a, b)", 2, 20, _first, alike=True),
}
