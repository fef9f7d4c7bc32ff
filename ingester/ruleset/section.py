"""One mapping of a rule file, read key by key: values come out typed, whatever nobody asked for is a mistake.

Asking for a key is what makes it known, so a new key of the rule language is one more question to its section.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from ingester.ruleset.document import BareDate, Node
from ingester.ruleset.mistake import Report, did_you_mean, one_of


class Section:
    """The mapping at `path` (dotted, empty for the file itself). Every question has an answer, right or wrong."""

    def __init__(self, node: Node, path: str, report: Report) -> None:
        self.line = node.line
        self.path = path
        self.report = report
        self._asked: set[str] = set()
        self._nodes: dict[str, Node] = {}
        if isinstance(node.value, dict):
            self._nodes = node.value
        else:
            report.add(node.line, path, "expected keys and values")

    def key(self, name: str) -> str:
        """The dotted path of one key."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the key is there, with or without a value."""
        return name in self._nodes

    def line_of(self, name: str) -> int:
        """Where the key stands; the section's own line if it is not there."""
        return self._nodes[name].line if name in self._nodes else self.line

    def wrong(self, name: str, message: str, line: int = 0) -> None:
        """Report a mistake about one key."""
        self.report.add(line or self.line_of(name), self.key(name), message)

    def node(self, name: str) -> Node | None:
        """The raw value; None if the key is missing or has nothing behind it, which is a mistake."""
        self._asked.add(name)
        node = self._nodes.get(name)
        if node is not None and node.value is None:
            self.wrong(name, "has no value")
            return None
        return node

    def text(self, name: str, default: str = "") -> str:
        """A text that is not blank."""
        node = self.node(name)
        if node is None:
            return default
        if _is_text(node) and str(node.value).strip():
            return str(node.value)
        self.wrong(name, "expected text" if _is_text(node) else f"expected text, in quotes: {_not(node)}")
        return default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        node = self.node(name)
        if node is None:
            return default
        if isinstance(node.value, bool):
            return node.value
        self.wrong(name, f"expected true or false, {_not(node)}")
        return default

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of a few words."""
        word = self.text(name, default)
        if word in choices:
            return word
        self.wrong(name, f"expected {one_of(choices)}, not '{word[:40]}'")
        return default

    def count(self, name: str, *, least: int = 0) -> int | None:
        """A whole number of at least `least`."""
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value >= least:
            return node.value
        self.wrong(name, f"expected a whole number of at least {least}, {_not(node)}")
        return None

    def items(self, name: str) -> Sequence[Node]:
        """The items of a list; empty if the key is missing. An empty list says nothing, so it is a mistake."""
        node = self.node(name)
        if node is None:
            return ()
        if isinstance(node.value, list) and node.value:
            return node.value
        self.wrong(name, f"expected a list, {_not(node)}")
        return ()

    def texts(self, name: str, *, allow_empty: bool = False) -> list[tuple[str, int]]:
        """A list of texts, each with its line."""
        found: list[tuple[str, int]] = []
        for item in self.items(name):
            if _is_text(item) and (str(item.value).strip() or allow_empty):
                found.append((str(item.value), item.line))
            else:
                self.wrong(name, f"expected a list of texts, in quotes: {_not(item)}", item.line)
        return found

    def names(self, name: str, known: Collection[str], kind: str) -> tuple[str, ...]:
        """One name, or a list of different names, each of which must be `known`; unknown ones are left out."""
        node = self.node(name)
        if node is None:
            return ()
        found: list[str] = []
        for item in node.value if isinstance(node.value, list) else [node]:
            if not isinstance(item.value, str):
                self.wrong(name, f"expected the name of a {kind}, {_not(item)}", item.line)
            elif item.value not in known:
                hint = did_you_mean(item.value, known)
                self.wrong(name, f"there is no {kind} '{item.value}'{hint}", item.line)
            elif item.value in found:
                self.wrong(name, f"'{item.value}' is given twice", item.line)
            else:
                found.append(item.value)
        if node.value == []:
            self.wrong(name, f"expected the name of a {kind}, not an empty list")
        return tuple(found)

    def close(self) -> None:
        """Report every key that nobody asked for."""
        for name, node in self._nodes.items():
            if name not in self._asked:
                hint = did_you_mean(name, self._asked)
                self.report.add(node.line, self.key(name), f"unknown key{hint}")


def _is_text(node: Node) -> bool:
    return isinstance(node.value, str) and not isinstance(node.value, BareDate)


def _not(node: Node) -> str:
    """What stands there instead, in a reader's words."""
    match node.value:
        case bool():
            return f"not {str(node.value).lower()}"
        case int() | Decimal():
            return f"not the number {node.value}"
        case BareDate():
            return f"not the date {node.value}"
        case str():
            return f"not '{node.value[:40]}'"
        case list():
            return "not a list" if node.value else "not an empty list"
        case None:
            return "not nothing"
    return "not keys and values"
