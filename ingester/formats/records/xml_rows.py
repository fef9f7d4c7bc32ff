"""XML in plain form: an element that repeats is a row, its attributes and what is in it are columns.

What is nested has dots (`address/city` is `address.city`), prefixes of namespaces are dropped, and what is there more
than once in a row is a list, as JSON text: nothing is left out. A document type is refused with all that could come
with it: entities that multiply, or that are files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from xml.parsers import expat

from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.domain.size import in_words
from ingester.formats.heading import IsKnown
from ingester.formats.plain import PlainWriter, too_large, unreadable
from ingester.formats.records.record import BadRecord, RecordTable, TooDeep, short
from ingester.formats.transcribed import Transcribed

RECORD_LIMIT = 16 << 20
_CHUNK = 1 << 18
_MOST_NAMES = 100_000
_NAMED = 8

_Path = tuple[str, ...]
_Node = dict[str, object]


def transcribe(
    source: Path, target: Path, reads: Reads, limits: Limits, is_known: IsKnown | None = None
) -> Transcribed:
    """Write the rows of `source` to `target`.

    Raises UnreadableFile. Without `reads.path` the rows are what repeats below the root, or below its only child that
    has something that repeats; a document in which nothing does is one row.
    """
    encoding = reads.encoding
    path = tuple(part for part in reads.path.split("/") if part) if reads.path else _survey(source, encoding, limits)
    columns: dict[str, None] = {}
    while True:
        with PlainWriter(target, len(columns), limits) as writer:
            table = RecordTable(writer, columns, reads, limits, is_known)
            rows = _Rows(path, table)
            _parse(source, encoding, limits, rows)
        if not table.outgrown:
            break
    if not writer.rows and rows.beside:
        named = ", ".join(f'"{short(name)}"' for name in list(rows.beside)[:_NAMED])
        raise unreadable(f'there is no element "{"/".join(path)}"; there is {named}')
    if writer.rows and not table.names():
        raise unreadable("its rows have neither attributes nor text")
    return Transcribed(names=table.names(), rows=writer.rows, path="/".join(path).removesuffix("/*"))


class _Handler:
    """What happens at the elements of a document."""

    def start(self, name: str, attributes: Mapping[str, str], depth: int) -> None:
        """An element begins; the root's depth is 1."""

    def text(self, data: str) -> None:
        """Some of the text of an element."""

    def end(self, depth: int) -> None:
        """An element ends."""


def _parse(source: Path, encoding: str | None, limits: Limits, handler: _Handler) -> None:
    """Go through a document with nothing of it kept. Raises UnreadableFile."""
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > limits.depth:
            raise TooDeep
        handler.start(name.rpartition(":")[2], attributes, depth)

    def end(_: str) -> None:
        nonlocal depth
        handler.end(depth)
        depth -= 1

    def refuse(*_: object) -> None:
        raise unreadable("it has a document type (<!DOCTYPE …>); leave it out")

    names: dict[str, str] = {}
    parser = expat.ParserCreate(encoding, None, names)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, handler.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    fed = 0
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk, False)
                fed += len(chunk)
                # What is not parsed yet is one tag, or one comment.
                if fed - parser.CurrentByteIndex > RECORD_LIMIT:
                    raise too_large(f"a tag of over {in_words(RECORD_LIMIT)}")
                if len(names) > _MOST_NAMES:
                    raise too_large(f"over {_MOST_NAMES} different names of elements")
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise unreadable(f"it is no XML (line {error.lineno}: {expat.ErrorString(error.code)})") from None
    except BadRecord as bad:
        raise bad.refusal(f" (line {parser.CurrentLineNumber})") from None
    except (LookupError, ValueError):
        raise unreadable("it is in an encoding that is not known here") from None


# --- where the rows are ----------------------------------------------------------------------------------------------


class _Survey(_Handler):
    """Counts what is below the root, and below that; what has parts of its own is told from what is text alone."""

    def __init__(self) -> None:
        self._stack: list[str] = []
        self.counts: Counter[_Path] = Counter()
        self.with_parts: set[_Path] = set()

    def start(self, name: str, attributes: Mapping[str, str], depth: int) -> None:
        if depth > 4:
            return
        del self._stack[depth - 1 :]
        path = tuple(self._stack)
        self.with_parts.add(path)
        if depth <= 3:
            path = (*path, name)
            self._stack.append(name)
            self.counts[path] += 1
            if attributes:
                self.with_parts.add(path)


def _survey(source: Path, encoding: str | None, limits: Limits) -> _Path:
    survey = _Survey()
    _parse(source, encoding, limits, survey)
    counts = survey.counts
    repeated = [
        path
        for path, count in counts.items()
        if count > 1 and (len(path) == 2 or (len(path) == 3 and counts[path[:2]] == 1))
    ]
    found = [path for path in repeated if path in survey.with_parts] or repeated
    if len(found) > 1:
        paths = ", ".join("/".join(map(short, path)) for path in found[:_NAMED])
        raise unreadable(f"rows may be in {paths}; the feed has to say which, as in `path: {'/'.join(found[0])}`")
    if found:
        return found[0]
    below = [path for path in counts if len(path) == 2]
    if len(below) == 1 and below[0] in survey.with_parts:
        return below[0]
    root = next(path for path in counts if len(path) == 1)
    return root if below or root in survey.with_parts else (*root, "*")


# --- the rows --------------------------------------------------------------------------------------------------------


class _Rows(_Handler):
    """Collects what is in each element at the path, and adds it to the table."""

    def __init__(self, path: _Path, table: RecordTable) -> None:
        self._path = path
        self._table = table
        #: How many parts of the path the open elements are; those of the row itself, outermost first.
        self._matched = 0
        self._open: list[tuple[str, _Node]] = []
        self._texts: list[list[str]] = []
        self._size = 0
        self._number = 0
        #: What is found where rows should be.
        self.beside: dict[str, None] = {}

    def start(self, name: str, attributes: Mapping[str, str], depth: int) -> None:
        if not self._open:
            if self._matched != depth - 1 or depth > len(self._path):
                return
            if self._path[depth - 1] != name:
                if len(self.beside) < _NAMED:
                    self.beside[name] = None
                return
            self._matched = depth
            if depth < len(self._path):
                return
            self._size = 0
        node: _Node = {}
        for key, value in attributes.items():
            if key != "xmlns" and not key.startswith(("xmlns:", "xsi:")):
                _put(node, key.rpartition(":")[2], value)
            self._grow(len(key) + len(value))
        self._grow(len(name))
        self._open.append((name, node))
        self._texts.append([])

    def text(self, data: str) -> None:
        if self._open:
            self._grow(len(data))
            self._texts[-1].append(data)

    def end(self, depth: int) -> None:
        if not self._open:
            self._matched = min(self._matched, depth - 1)
            return
        name, node = self._open.pop()
        own = _trimmed("".join(self._texts.pop()))
        if self._open:
            parent = self._open[-1][1]
            if not node:
                _put(parent, name, own)
                return
            _put(parent, name, node)
            if own.strip():
                _put(node, "text", own)
            return
        if own.strip() or not node:
            _put(node, name, own)
        self._matched = depth - 1
        self._number += 1
        try:
            self._table.add(_single(node), self._number)
        except BadRecord as bad:
            raise bad.within(f"row {self._number}") from None

    def _grow(self, size: int) -> None:
        self._size += size + 1
        if self._size > RECORD_LIMIT:
            raise too_large(f"row {self._number + 1} has over {in_words(RECORD_LIMIT)}")


def _put(node: _Node, name: str, value: object) -> None:
    """One more value of a name."""
    values = node.setdefault(name, [])
    assert isinstance(values, list)
    values.append(value)


def _single(value: object) -> object:
    """Values that are there once by themselves, others as lists."""
    if isinstance(value, dict):
        return {name: _single(each[0]) if len(each) == 1 else list(map(_single, each)) for name, each in value.items()}
    return value


def _trimmed(own: str) -> str:
    """Text without the line breaks and indents that were put around it for the eye."""
    return own.strip() if own.isspace() or own[:1] in ("\n", "\r") or own[-1:] in ("\n", "\r") else own
