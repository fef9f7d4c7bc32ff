"""The typed tree of an assertion: frozen values, made by `ingester.ruleset.expression`, compiled by the column checks.

A tree is right by construction: kinds fit, functions have their arguments. Code that receives one does not check again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """What a part of an assertion is, in the words its author reads."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    YEARMONTH = "yearmonth"
    DURATION = "duration"
    LIST = "list"
    #: Can only be there or not.
    OTHER = "value"


NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER})
#: What < and `in` work for.
ORDERED = NUMERIC | {Kind.TEXT, Kind.DATE, Kind.TIME, Kind.DATETIME, Kind.YEARMONTH, Kind.DURATION}


def a_kind(kind: Kind) -> str:
    """The kind with its article."""
    return f"an {kind}" if kind is Kind.INTEGER else f"a {kind}"


@dataclass(frozen=True, slots=True)
class Reference:
    """The value of a field."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the assertion; a yearmonth and a duration are their text, a datetime is aware."""

    value: str | int | Decimal | bool | date | time | datetime
    kind: Kind


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is one of == != < <= > >=; both sides are of one kind, or both are numbers."""

    operator: str
    left: Node
    right: Node
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class Logic:
    """`operator` is `and` or `or`."""

    operator: str
    operands: tuple[Node, ...]
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a boolean."""

    operand: Node
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`operator` is one of + - * / %. Numbers; or date - date, which is days, and date ± days."""

    operator: str
    left: Node
    right: Node
    kind: Kind


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether a value is one of several."""

    operand: Node
    values: tuple[Constant, ...]
    negated: bool
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether there is no value; never unknown."""

    operand: Node
    negated: bool
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `FUNCTIONS`, its arguments checked."""

    function: str
    arguments: tuple[Node, ...]
    kind: Kind


Node = Reference | Constant | Comparison | Logic | Not | Arithmetic | Membership | IsNull | Call


@dataclass(frozen=True, slots=True)
class Expression:
    """An assertion: `root` is a boolean; `fields` are the names it uses, in order of appearance."""

    root: Node
    fields: tuple[str, ...]


def fields_of(*nodes: Node) -> frozenset[str]:
    """The names of the fields that nodes use."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        match waiting.pop():
            case Reference(name, _):
                found.add(name)
            case Comparison(_, left, right) | Arithmetic(_, left, right):
                waiting += (left, right)
            case Logic(_, operands) | Call(_, operands):
                waiting += operands
            case Not(operand) | Membership(operand) | IsNull(operand):
                waiting.append(operand)
            case Constant():
                pass
    return frozenset(found)
