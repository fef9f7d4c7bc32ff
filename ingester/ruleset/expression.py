"""Assertions of rule files: text in Python's expression syntax → a typed tree. Parsed by Python, never run by it.

What the tree means for a column of rows is `ingester.checks.assertion`'s business. A name is a field; a dotted name is
one field whose name has dots. A text beside a date, time, datetime, yearmonth or duration is read as one.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from ingester.ruleset.expression_constant import from_text, is_written_as_text, number
from ingester.ruleset.expression_function import FUNCTIONS, Unfit
from ingester.ruleset.expression_tree import (
    NUMERIC,
    ORDERED,
    Arithmetic,
    Call,
    Comparison,
    Constant,
    Expression,
    IsNull,
    Kind,
    Logic,
    Membership,
    Node,
    Not,
    Reference,
    a_kind,
)
from ingester.ruleset.mistake import did_you_mean, one_of
from ingester.ruleset.model import Field, FieldType

MAX_LENGTH = 1_000
MAX_DEPTH = 50


class ExpressionError(ValueError):
    """The text is no assertion; `column` is the character where that shows, from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


def parse(text: str, fields: Mapping[str, Field]) -> Expression:
    """Read an assertion over `fields`, by name. Raises ExpressionError at its first mistake."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an assertion has at most {MAX_LENGTH} characters", MAX_LENGTH + 1)
    if "\n" in text.strip():
        raise ExpressionError("write it on one line; in YAML, `>` folds several into one", text.index("\n") + 1)
    if not text.strip():
        raise ExpressionError("there is nothing to assert", 1)
    indent = len(text) - len(text.lstrip())
    reader = _Reader(text.strip(), indent, fields)
    root = reader.boolean(_python(text.strip(), indent), 0)
    if not reader.names:
        raise ExpressionError("it names no field", 1)
    return Expression(root, tuple(reader.names))


def _python(text: str, indent: int) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an unknown escape is one
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        reason = error.msg.removesuffix(". Perhaps you forgot a comma?")
        if "escape" in reason:
            reason += "; write r'…' around a pattern"
        elif re.search(r"(?<![=!<>])=(?!=)", text):
            reason += "; write == to compare"
        raise ExpressionError(reason, max(error.offset or 1, 1) + indent) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError("it cannot be read", 1) from error


_KINDS = {
    FieldType.STRING: Kind.TEXT,
    FieldType.ANY: Kind.TEXT,
    FieldType.INTEGER: Kind.INTEGER,
    FieldType.YEAR: Kind.INTEGER,
    FieldType.NUMBER: Kind.NUMBER,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.DATE: Kind.DATE,
    FieldType.TIME: Kind.TIME,
    FieldType.DATETIME: Kind.DATETIME,
    FieldType.YEARMONTH: Kind.YEARMONTH,
    FieldType.DURATION: Kind.DURATION,
    FieldType.ARRAY: Kind.LIST,
    FieldType.LIST: Kind.LIST,
    FieldType.OBJECT: Kind.OTHER,
    FieldType.GEOPOINT: Kind.OTHER,
    FieldType.GEOJSON: Kind.OTHER,
}

_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_ARITHMETIC: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: "%",
}


class _Reader:
    """Turns Python's tree of one text into ours; `names` gathers the fields it meets."""

    def __init__(self, text: str, indent: int, fields: Mapping[str, Field]) -> None:
        self._text = text
        self._indent = indent
        self._fields = fields
        self.names: dict[str, None] = {}

    def wrong(self, at: ast.expr, message: str) -> ExpressionError:
        before = self._text.encode()[: at.col_offset].decode()
        return ExpressionError(message, len(before) + 1 + self._indent)

    def written(self, node: ast.expr) -> str:
        return ast.get_source_segment(self._text, node) or ""

    def boolean(self, node: ast.expr, depth: int) -> Node:
        read = self.node(node, depth)
        if read.kind is not Kind.BOOLEAN:
            raise self.wrong(node, f"`{self.written(node)}` is {a_kind(read.kind)}, which is neither true nor false")
        return read

    def numeric(self, node: ast.expr, depth: int) -> Node:
        read = self.node(node, depth)
        if read.kind not in NUMERIC:
            raise self.wrong(node, f"`{self.written(node)}` is {a_kind(read.kind)}, expected a number")
        return read

    def node(self, node: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.wrong(node, f"it is nested more than {MAX_DEPTH} deep")
        depth += 1
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name() | ast.Attribute():
                return self._reference(node)
            case ast.BoolOp(op=operator, values=values):
                word = "and" if isinstance(operator, ast.And) else "or"
                return Logic(word, tuple(self.boolean(value, depth) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.boolean(operand, depth))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as operator, operand=operand):
                return _signed(self.numeric(operand, depth), isinstance(operator, ast.USub))
            case ast.BinOp():
                return self._arithmetic(node, depth)
            case ast.Compare():
                return self._comparisons(node, depth)
            case ast.Call():
                return self._call(node, depth)
        raise self.refused(node)

    def refused(self, node: ast.expr) -> ExpressionError:
        match node:
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
                hint = "; write `and` and `or`"
            case ast.BinOp():
                hint = "; the operators are + - * / %"
            case ast.IfExp():
                hint = "; write `not (condition) or (assertion)`"
            case ast.List() | ast.Tuple() | ast.Set():
                hint = "; a list may only follow `in`"
            case _:
                hint = ""
        return self.wrong(node, f"`{self.written(node)[:40]}` is not part of the language of assertions{hint}")

    def _constant(self, node: ast.Constant) -> Constant:
        match node.value:
            case bool():
                return Constant(node.value, Kind.BOOLEAN)
            case str():
                if "\0" in node.value:
                    raise self.wrong(node, "a text cannot hold a NUL character")
                return Constant(node.value, Kind.TEXT)
            case int() | float():
                try:
                    return number(self.written(node), node.value)
                except ValueError as error:
                    raise self.wrong(node, str(error)) from error
            case None:
                raise self.wrong(node, "write `is None` or `is not None`")
        raise self.refused(node)

    def _reference(self, node: ast.Name | ast.Attribute) -> Reference:
        name = ".".join(_parts(node))
        field = self._fields.get(name)
        if field is None:
            family = next(
                (each for each in self._fields.values() if each.is_family and name.startswith(each.prefix)), 0
            )
            if family:
                raise self.wrong(node, f"'{name}' belongs to a family of columns, which assertions cannot use")
            raise self.wrong(node, f"there is no field '{name}'{did_you_mean(name, self._fields)}")
        if field.is_family:
            raise self.wrong(node, f"'{name}' is a family of columns, which assertions cannot use")
        self.names[name] = None
        return Reference(name, _KINDS[field.type])

    def _comparisons(self, node: ast.Compare, depth: int) -> Node:
        found = []
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            found.append(self._comparison(left, operator, right, depth))
            left = right
        return found[0] if len(found) == 1 else Logic("and", tuple(found))

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, depth: int) -> Node:
        is_none = isinstance(right, ast.Constant) and right.value is None
        match operator:
            case ast.Is() | ast.IsNot():
                if not is_none:
                    raise self.wrong(right, "only None may follow `is`; write == to compare")
                return IsNull(self.node(left, depth), isinstance(operator, ast.IsNot))
            case ast.In() | ast.NotIn():
                return self._membership(left, right, isinstance(operator, ast.NotIn), depth)
        symbol = _COMPARISONS[type(operator)]
        one, other = self._alike([left, right], depth)
        for side, kind in ((left, one.kind), (right, other.kind)):
            if kind not in ORDERED and (symbol not in {"==", "!="} or kind is not Kind.BOOLEAN):
                raise self.wrong(side, f"`{self.written(side)}` is {a_kind(kind)}, which {symbol} cannot compare")
        if symbol in {"==", "!="}:
            self._refuse_unknown_value(one, other, right)
            self._refuse_unknown_value(other, one, left)
        return Comparison(symbol, one, other)

    def _membership(self, left: ast.expr, right: ast.expr, negated: bool, depth: int) -> Node:
        if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
            raise self.wrong(right, "expected a list of values after `in`, such as ('a', 'b')")
        operand, *values = self._alike([left, *right.elts], depth)
        if operand.kind not in ORDERED:
            raise self.wrong(left, f"`{self.written(left)}` is {a_kind(operand.kind)}, which `in` cannot look for")
        constants = []
        for item, value in zip(right.elts, values, strict=True):
            if not isinstance(value, Constant):
                raise self.wrong(item, f"`{self.written(item)}` is no constant")
            self._refuse_unknown_value(operand, value, item)
            constants.append(value)
        return Membership(operand, tuple(constants), negated)

    def _refuse_unknown_value(self, one: Node, other: Node, at: ast.expr) -> None:
        """A text that no valid cell of the field can be: most likely it is misspelt."""
        if isinstance(one, Reference) and isinstance(other, Constant) and one.kind is Kind.TEXT:
            enum = self._fields[one.name].constraints.enum
            if enum is not None and other.value not in enum:
                hint = did_you_mean(str(other.value), enum) or f", expected {one_of(enum)}"
                raise self.wrong(at, f"'{other.value}' is not in the enum of {one.name}{hint}")

    def _alike(self, nodes: Sequence[ast.expr], depth: int) -> list[Node]:
        """The nodes read, all of one kind or all numbers; texts beside dates and their like become such."""
        read = [self.node(node, depth) for node in nodes]
        written = next((each.kind for each in read if is_written_as_text(each.kind)), None)
        if written is not None:
            read = [self._from_text(node, each, written) for node, each in zip(nodes, read, strict=True)]
        first = read[0].kind
        for node, each in zip(nodes, read, strict=True):
            if each.kind is not first and not {each.kind, first} <= NUMERIC:
                raise self.wrong(node, f"`{self.written(node)}` is {a_kind(each.kind)}, beside {a_kind(first)}")
        return read

    def _from_text(self, node: ast.expr, read: Node, kind: Kind) -> Node:
        if not isinstance(read, Constant) or read.kind is not Kind.TEXT:
            return read
        try:
            return from_text(str(read.value), kind)
        except ValueError as error:
            raise self.wrong(node, str(error)) from error

    def _arithmetic(self, node: ast.BinOp, depth: int) -> Node:
        symbol = _ARITHMETIC.get(type(node.op))
        if symbol is None:
            raise self.refused(node)
        left, right = self.node(node.left, depth), self.node(node.right, depth)
        match left.kind, symbol, right.kind:
            case Kind.DATE, "-", Kind.DATE:
                return Arithmetic(symbol, left, right, Kind.INTEGER)
            case (Kind.DATE, "+" | "-", Kind.INTEGER):
                return Arithmetic(symbol, left, right, Kind.DATE)
            case Kind.INTEGER, "+", Kind.DATE:
                return Arithmetic(symbol, right, left, Kind.DATE)
        for side, each in ((node.left, left), (node.right, right)):
            if each.kind not in NUMERIC:
                other = right if each is left else left
                raise self.wrong(
                    side, f"`{self.written(side)}` is {a_kind(each.kind)}: {symbol} cannot take it with {other.kind}"
                )
        whole = left.kind is right.kind is Kind.INTEGER and symbol != "/"
        return Arithmetic(symbol, left, right, Kind.INTEGER if whole else Kind.NUMBER)

    def _call(self, node: ast.Call, depth: int) -> Node:
        name = node.func.id if isinstance(node.func, ast.Name) else self.written(node.func)
        function = FUNCTIONS.get(name)
        if function is None:
            raise self.wrong(node, f"there is no function '{name}'{did_you_mean(name, FUNCTIONS)}")
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        if node.keywords or starred or not function.least <= len(node.args) <= function.most:
            raise self.wrong(node, f"write {function.usage}")
        if name == "matches":
            self._refuse_escapes(node.args[1])
        arguments = self._alike(node.args, depth) if function.alike else [self.node(each, depth) for each in node.args]
        try:
            return Call(name, tuple(arguments), function.kind(arguments))
        except Unfit as error:
            at = node.args[error.index]
            raise self.wrong(at, f"`{self.written(at)}` {error.reason}") from error

    def _refuse_escapes(self, node: ast.expr) -> None:
        """In a plain text `\\b` is a backspace, in a pattern the edge of a word."""
        literal = self.written(node)
        if "\\" in literal and not literal.lower().startswith("r"):
            raise self.wrong(node, f"write r{literal}, so that a backslash stays one")


def _parts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(value=value, attr=name):
            yield from _parts(value)
            yield name
        case _:
            yield "…"


def _signed(operand: Node, negative: bool) -> Node:
    if not negative:
        return operand
    if isinstance(operand, Constant):
        assert isinstance(operand.value, int | Decimal), "a number was asked for"
        return Constant(-operand.value, operand.kind)
    return Arithmetic("-", Constant(0, Kind.INTEGER), operand, operand.kind)
