"""YAML text → a tree of plain values, each with its line. What the keys mean is not known here.

A safe subset of YAML 1.1, read from the parser's events so that nothing is ever constructed: no anchors and aliases
(a few lines of them expand to gigabytes), no tags, no second document, bounded size and depth. Plain scalars that
YAML 1.1 turns into something else than they look like (`no`, `010`, `12:30`) are refused: an independent reader of
the file would see another value than we do. Numbers with a point become exact decimals, dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from ingester.ruleset.mistake import Report

MAX_BYTES = 1 << 20
MAX_DEPTH = 12
#: Digits of a number in a rule file; more are no bound of anything, and parsing them takes quadratic time.
MAX_DIGITS = 60

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: YAML 1.1's own table: first character → (tag, pattern) of the plain scalars that are not text.
_RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?[0-9]+\.[0-9]+\Z")
_BOOLEAN = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")


@dataclass(frozen=True, slots=True)
class Node:
    """One value. `line` is where its key stands if it has one, else where the value starts, counted from 1."""

    value: Value
    line: int


class BareDate(str):
    """A date without quotes: text to us, but most readers of YAML make a date of it."""

    __slots__ = ()


Value = str | bool | int | Decimal | list[Node] | dict[str, Node] | None


class _Unreadable(Exception):
    """The text is no YAML that we read; carries line, key and message."""


def parse(data: bytes, report: Report) -> Node | None:
    """The document's root, or None after reporting why there is none. Keeps going where the structure allows it."""
    if len(data) > MAX_BYTES:
        report.add(0, "", f"the file is larger than {MAX_BYTES // 1024} KiB")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        report.add(data.count(b"\n", 0, error.start) + 1, "", "the file is not UTF-8 text")
        return None
    if unprintable := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, unprintable.start()) + 1
        report.add(line, "", f"not YAML: the character {unprintable.group()!a}")
        return None
    try:
        return _Tree(text, report).root()
    except _Unreadable as error:
        report.add(*error.args)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.add(mark.line + 1 if mark else 0, "", f"not YAML: {error.problem or error.context}")
    return None


class _Tree:
    """Builds nodes from one document's events."""

    def __init__(self, text: str, report: Report) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
        self.report = report

    def root(self) -> Node | None:
        next(self.events)  # the stream starts
        if not isinstance(next(self.events), yaml.DocumentStartEvent):
            self.report.add(0, "", "the file is empty")
            return None
        node = self.node(next(self.events), "", 0)
        next(self.events)  # the document ends
        following = next(self.events)
        if isinstance(following, yaml.DocumentStartEvent):
            raise _Unreadable(_line(following), "", "a second document (---): one file is one entity")
        return node

    def node(self, event: Any, key: str, depth: int, line: int = 0) -> Node:
        line = line or _line(event)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Unreadable(line, key, "YAML anchors and aliases are not allowed: write the value out")
        if event.tag is not None:
            raise _Unreadable(line, key, f"YAML tags are not allowed: {event.tag}")
        if depth > MAX_DEPTH:
            raise _Unreadable(line, key, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.MappingStartEvent):
            return Node(self.mapping(key, depth), line)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(self.sequence(key, depth), line)
        return Node(self.scalar(event, key, line), line)

    def mapping(self, key: str, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.value == "<<":
                raise _Unreadable(line, key, "a key must be plain text")
            name = event.value
            path = f"{key}.{name}" if key else name
            value = self.node(next(self.events), path, depth + 1, line)
            if name in found:
                self.report.add(line, path, f"duplicate key, first given in line {found[name].line}")
            else:
                found[name] = value
        return found

    def sequence(self, key: str, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, f"{key}[{len(items)}]", depth + 1))
        return items

    def scalar(self, event: Any, key: str, line: int) -> Value:
        text: str = event.value
        if not event.implicit[0]:  # quoted or a block: text whatever it looks like
            return text
        tag = next((tag for tag, form in _RESOLVERS.get(text[:1], ()) if form.match(text)), "")
        match tag.rpartition(":")[2]:
            case "null":
                return None
            case "bool" if _BOOLEAN.match(text):
                return text.lower() == "true"
            case "int" if _INTEGER.match(text) and len(text) <= MAX_DIGITS:
                return int(text)
            case "float" if _DECIMAL.match(text) and len(text) <= MAX_DIGITS:
                return Decimal(text)
            case "bool" | "int" | "float" as kind:
                meaning = {"bool": "true or false", "int": "an integer", "float": "a number"}[kind]
                self.report.add(line, key, f"YAML reads a bare {text[:40]} as {meaning}: quote it, or write it plainly")
            case "timestamp":
                return BareDate(text)
            case "value":
                self.report.add(line, key, f"put {text} in quotes")
        return text


def line_of(path: Path, key: str) -> int:
    """Where a dotted key of a rule file stands, or the nearest key above it; 0 if the file cannot be read."""
    try:
        node = parse(path.read_bytes(), Report(path))
    except OSError:
        node = None
    line = node.line if node is not None else 0
    parts = key.split(".")
    while parts and node is not None:
        found, parts = _below(node, parts)
        if found is None:
            break
        node, line = found, found.line
    return line


def _below(node: Node, parts: list[str]) -> tuple[Node | None, list[str]]:
    """The node that the first of the parts lead to, and those left; an item of a list is known by its whole name."""
    if isinstance(node.value, dict):
        return node.value.get(parts[0]), parts[1:]
    if isinstance(node.value, list):
        for item in node.value:
            name = item.value.get("name") if isinstance(item.value, dict) else None
            words = str(name.value).split(".") if name is not None else []
            if words and parts[: len(words)] == words:
                return item, parts[len(words) :]
    return None, []


def _line(event: Any) -> int:
    """Where an event starts, counted from 1."""
    return int(event.start_mark.line) + 1
