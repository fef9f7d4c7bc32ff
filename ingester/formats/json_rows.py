"""JSON and JSON Lines, a record at a time, in plain form.

A record is an object; what is nested in it becomes columns with dots (`address.city`), lists are cells of JSON text.
The columns are the keys of all records in the order in which they are first met: where a later record brings a new one,
the file is read once more. Numbers are taken as they are written, never as floats. What JSON readers disagree on (a key
that comes twice, NaN) is refused: by the line in JSON Lines, else with the whole file.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, NoReturn

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Format, Reads
from ingester.formats.heading import IsKnown
from ingester.formats.plain import TYPED, PlainWriter, text, too_large, typed, unreadable
from ingester.formats.transcribed import Transcribed

RECORD_LIMIT = 16 << 20
#: Where the rows of an object are, unless a feed says otherwise.
_RECORDS = "records"
_CHUNK = 1 << 18
#: Keys of one object that is not a record, and names of them in a message.
_MOST_KEYS = 100_000
_NAMED = 8
#: Zeros that are written out for an exponent; a number with more stays as it was written.
_MOST_ZEROS = 40

_SPACE = re.compile(r"[ \t\n\r]*")


class _Bad(ValueError):
    """A record, or the text around records, is not as it must be; the message is for the customer."""


class _Again(Exception):
    """What was learned asks for another pass over the file."""


def transcribe(
    source: Path, target: Path, reads: Reads, limits: Limits, is_known: IsKnown | None = None
) -> Transcribed:
    """Write the records of `source` to `target`.

    Raises UnreadableFile. A line of JSON Lines that cannot be read becomes a broken record. Without `reads.path` the
    rows are the root's array, its member `records`, the only array of objects among its members, or the root itself.
    """
    with source.open("rb") as file:
        start = file.read(_CHUNK)
    encoding = reads.encoding or json.detect_encoding(start)
    path = tuple(reads.path.split(".")) if reads.path else None
    lines = reads.format is Format.JSONL or (reads.format is None and path is None and _is_lines(start, encoding))
    columns: dict[str, None] = {}
    try:
        while True:
            with PlainWriter(target, len(columns), limits) as writer:
                table = _Table(writer, columns, reads, limits, is_known)
                try:
                    if lines:
                        _lines(source, encoding, table)
                    else:
                        path = _document(source, encoding, path, table)
                except _Again as again:
                    path = again.args[0]
                    columns.clear()
                    continue
            if not table.outgrown:
                break
    except UnicodeDecodeError:
        raise _undecodable(source, encoding) from None
    except _Bad as bad:
        raise unreadable(str(bad)) from None
    return Transcribed(
        names=table.names(),
        rows=writer.rows,
        first_line=table.first_line,
        header_row=table.header_row,
        path=".".join(path) if path and not lines else None,
        encoding=encoding,
    )


def _is_lines(start: bytes, encoding: str) -> bool:
    """Whether the first line is a whole record, and another follows."""
    head = start.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")
    first, _, rest = head.partition("\n")
    if first[:1] not in ("{", "[") or rest.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


# --- values ----------------------------------------------------------------------------------------------------------


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Bad(f'the key "{_short(twice)}" comes twice')
    return record


def _no_constant(name: str) -> NoReturn:
    raise _Bad(f"{name} is no JSON")


#: A number becomes bytes, as it is written, which no other value is.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=str.encode, parse_int=str.encode, parse_constant=_no_constant
)
_TOO_DEEP = "it is nested too deeply"


def _number(digits: str) -> str:
    """A number without exponent, where that is not much longer."""
    if "e" not in digits and "E" not in digits:
        return digits
    mantissa, exponent = digits.lower().split("e")
    if len(exponent) > 4 or abs(int(exponent)) > _MOST_ZEROS:
        return digits
    return format(Decimal(digits), "f") if len(mantissa) <= _MOST_ZEROS else digits


def _typed(digits: bytes) -> str:
    plain = _number(digits.decode())
    # What has an exponent still is no plain decimal, and for the field to judge.
    return plain if "e" in plain or "E" in plain else TYPED + plain


def _json(value: object, depth: int) -> str:
    """A nested value as JSON again, its numbers as they were written."""
    if depth <= 0:
        raise _Bad(_TOO_DEEP)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        inside = (f"{json.dumps(key, ensure_ascii=False)}:{_json(each, depth - 1)}" for key, each in value.items())
        return "{" + ",".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(each, depth - 1) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:60] + "…"


class _Table:
    """Records made rows of one width."""

    def __init__(
        self, writer: PlainWriter, columns: dict[str, None], reads: Reads, limits: Limits, is_known: IsKnown | None
    ) -> None:
        self._writer = writer
        self._columns = columns
        self._order = list(columns)
        self._limits = limits
        self._is_known = is_known or (lambda _: False)
        self._heads = reads.columns if reads.header == 0 else None
        self._listed: tuple[str, ...] | None = None
        #: Whether there are columns that the rows written first do not have.
        self.outgrown = False
        self.first_line = 1
        self.header_row: int | None = None

    def names(self) -> tuple[str, ...]:
        return tuple(self._columns) if self._listed is None else self._listed

    @property
    def rows(self) -> int:
        return self._writer.rows

    def add(self, record: object, line: int) -> None:
        """A row for one record; `line` is its number."""
        if isinstance(record, dict) and self._listed is None:
            self._object(record, line)
        elif isinstance(record, list) and not self._columns:
            self._list(record, line)
        else:
            raise _Bad("not every record is an object" if self.names() else "it is no object")

    def add_broken(self, raw: str, line: int) -> None:
        self._started(line)
        self._writer.write_broken(raw, line)

    def _object(self, record: Mapping[str, object], line: int) -> None:
        cells: dict[str, str] = {}
        self._flatten(record, "", cells, self._limits.depth)
        if list(cells) != self._order:
            if not cells.keys() <= self._columns.keys():
                self._grow(cells)
            if not self.outgrown:
                row: Sequence[str] = [cells.get(name, "") for name in self._order]
        else:
            row = list(cells.values())
        self._started(line)
        if not self.outgrown:
            self._writer.write(row, line)

    def _grow(self, cells: Mapping[str, str]) -> None:
        self._columns.update(dict.fromkeys(cells))
        if len(self._columns) > self._limits.columns:
            raise too_large(f"over {self._limits.columns} columns")
        if self._writer.rows == 0:
            self._order = list(self._columns)
        else:
            self.outgrown = True

    def _flatten(self, record: Mapping[str, object], prefix: str, cells: dict[str, str], depth: int) -> None:
        before = len(cells)
        for key, value in record.items():
            kind, name = type(value), prefix + key
            if kind is str:
                cells[name] = text(value)  # type: ignore[arg-type]
            elif kind is bytes:
                cells[name] = _typed(value)  # type: ignore[arg-type]
            elif value is None:
                cells[name] = ""
            elif kind is bool:
                cells[name] = typed("true" if value else "false")
            elif isinstance(value, dict) and not self._is_known(name):
                if depth <= 1:
                    raise _Bad(_TOO_DEEP)
                at = len(cells)
                self._flatten(value, name + ".", cells, depth - 1)
                before += len(cells) - at - 1
            else:
                cells[name] = text(_json(value, depth))
        if len(cells) - before != len(record):
            raise _Bad("a key with dots and a nested one are the same column")

    def _list(self, record: Sequence[object], line: int) -> None:
        if self._listed is None:
            if self._heads is None:
                if not all(isinstance(cell, str) for cell in record):
                    raise _Bad("the first list is no list of column names")
                self._listed = tuple(str(cell).strip() for cell in record)
                self.header_row, self.first_line = line, line + 1
                return
            self._listed = self._heads
        cells: dict[str, str] = {}
        places = {str(place): value for place, value in enumerate(record)}
        for place, value in places.items():
            if isinstance(value, dict | list):
                cells[place] = text(_json(value, self._limits.depth))
            else:
                self._flatten({place: value}, "", cells, 1)
        self._started(line)
        self._writer.write(list(cells.values()), line)

    def _started(self, line: int) -> None:
        if self._writer.rows == 0 and self.header_row is None:
            self.first_line = line


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def _lines(source: Path, encoding: str, table: _Table) -> None:
    good = False
    with source.open(encoding=encoding, newline=None) as file:
        number = 0
        while line := file.readline(RECORD_LIMIT + 1):
            number += 1
            if len(line) > RECORD_LIMIT:
                raise too_large(f"line {number} has over {RECORD_LIMIT >> 20} MiB")
            if line.isspace():
                continue
            try:
                if "\\ud" in line or "\\uD" in line:
                    _require_whole(line)
                record, end = _DECODER.raw_decode(line, _after_space(line, 0))
                if _after_space(line, end) != len(line):
                    raise _Bad("more follows")
                table.add(record, number)
                good = True
            except (_Bad, ValueError, RecursionError) as error:
                if isinstance(error, UnicodeDecodeError):
                    raise
                table.add_broken(line.rstrip("\n"), number)
    if number and not good and table.rows:
        raise _Bad("no line is a JSON object")


def _require_whole(line: str) -> None:
    """Refuse half a character."""
    try:
        json.dumps(json.loads(line), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _Bad("half a character") from None


def _after_space(line: str, at: int) -> int:
    match = _SPACE.match(line, at)
    assert match is not None
    return match.end()


# --- one document ----------------------------------------------------------------------------------------------------


class _Stream:
    """The text of a document, of which as much is in memory as one record takes."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder(encoding)("strict").decode
        self._text = ""
        self._at = 0
        self._ended = False

    def _more(self) -> None:
        rest = self._text[self._at :]
        raw = self._file.read(max(_CHUNK, len(rest)))
        self._ended = not raw
        self._text, self._at = rest + self._decode(raw, self._ended), 0

    def next(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            self._at = _after_space(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._more()

    def take(self, expected: str, where: str) -> str:
        """Go past the next character, which is one of those expected."""
        found = self.next()
        if not found or found not in expected:
            raise _Bad(f"{where} {'it ends' if not found else 'there is no ' + ' or '.join(expected)}")
        self._at += 1
        return found

    def value(self) -> object:
        """The next value, whole."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended:
                    raise _Bad(f"{error.msg} (after {error.pos - self._at} characters of it)") from None
            except RecursionError:
                raise _Bad(_TOO_DEEP) from None
            else:
                # A number at the end of what is in memory may go on.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            if len(self._text) - self._at > RECORD_LIMIT:
                raise _Bad(f"it is no JSON, or a value has over {RECORD_LIMIT >> 20} MiB")
            self._more()

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next; whoever asks for another has taken the value of the last."""
        self.take("{", "")
        keys: set[str] = set()
        if self.next() == "}":
            self._at += 1
            return
        while True:
            if self.next() != '"':
                raise _Bad("a key is missing")
            key = str(self.value())
            if key in keys:
                raise _Bad(f'the key "{_short(key)}" comes twice')
            keys.add(key)
            if len(keys) > _MOST_KEYS:
                raise too_large(f"over {_MOST_KEYS} keys in one object")
            where = f'at "{_short(key)}"'
            self.take(":", where)
            yield key
            if self.take(",}", f"after {where[3:]}") == "}":
                return

    def items(self) -> Iterator[object]:
        """The items of the array that comes next."""
        self.take("[", "")
        if self.next() == "]":
            self._at += 1
            return
        number = 0
        while True:
            number += 1
            try:
                value = self.value()
            except _Bad as bad:
                raise _Bad(f"record {number}: {bad}") from None
            yield value
            if self.take(",]", f"after record {number}") == "]":
                return

    def end(self) -> None:
        if self.next():
            raise _Bad("more follows after its end")


def _document(source: Path, encoding: str, path: tuple[str, ...] | None, table: _Table) -> tuple[str, ...] | None:
    """The rows of one document; where they were found."""
    with source.open("rb") as file:
        stream = _Stream(file, encoding)
        if stream.next() == "\ufeff":
            stream.take("\ufeff", "")
        if path:
            _follow(stream, path, table)
        elif path is None and stream.next() == "{":
            path = _search(stream, table)
        elif stream.next() in ("[", "{"):
            _rows(stream, table)
        else:
            raise _Bad("it is no JSON object or array")
        stream.end()
    return path


def _rows(stream: _Stream, table: _Table) -> None:
    """What comes next as rows: an array of records, or one record."""
    values = stream.items() if stream.next() == "[" else iter((stream.value(),))
    for number, record in enumerate(values, 1):
        try:
            table.add(record, number)
        except _Bad as bad:
            raise _Bad(f"record {number}: {bad}") from None


def _follow(stream: _Stream, path: Sequence[str], table: _Table) -> None:
    if not path:
        _rows(stream, table)
        return
    if stream.next() != "{":
        raise _Bad(f'there is no "{path[0]}"')
    seen: list[str] = []
    for key in stream.members():
        seen.append(key)
        if key == path[0]:
            _follow(stream, path[1:], table)
        else:
            _skip(stream)
    if path[0] not in seen:
        raise _Bad(f'there is no "{path[0]}"; there is {_listed(seen)}')


def _search(stream: _Stream, table: _Table) -> tuple[str, ...]:
    """Rows found among the root's members. Raises _Again with the path if they are not those that were written."""
    found: list[str] = []
    empty: list[str] = []
    count = 0
    for key in stream.members():
        count += 1
        if stream.next() != "[":
            stream.value()
            continue
        items = stream.items()
        first = next(items, None)
        if first is None:
            empty.append(key)
        elif isinstance(first, dict) or key == _RECORDS:
            found.append(key)
            if len(found) == 1:
                for number, record in enumerate(_with(first, items), 1):
                    _add(table, record, number)
                continue
        for _ in items:
            pass
    if _RECORDS in found or _RECORDS in empty:
        if found[:1] == [_RECORDS] or not found:
            return (_RECORDS,)
        raise _Again((_RECORDS,))
    if len(found) > 1:
        raise _Bad(f"rows may be in {_listed(found)}; the feed has to say which, as in `path: {_short(found[0])}`")
    if found:
        return (found[0],)
    if empty and count == 1:
        return (empty[0],)
    raise _Again(())


def _add(table: _Table, record: object, number: int) -> None:
    try:
        table.add(record, number)
    except _Bad as bad:
        raise _Bad(f"record {number}: {bad}") from None


def _with(first: object, others: Iterator[object]) -> Iterator[object]:
    yield first
    yield from others


def _skip(stream: _Stream) -> None:
    """Go past a value, however long an array it is."""
    if stream.next() == "[":
        for _ in stream.items():
            pass
    else:
        stream.value()


def _listed(keys: Sequence[str]) -> str:
    named = ", ".join(f'"{_short(key)}"' for key in keys[:_NAMED])
    return named + (" …" if len(keys) > _NAMED else "") if keys else "nothing"


def _undecodable(source: Path, encoding: str) -> UnreadableFile:
    """The error for bytes that are no text, with the place of the first."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    offset = 0
    with source.open("rb") as file:
        while True:
            raw = file.read(_CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                offset += error.start - pending
                break
            if not raw:
                break
            offset += len(raw)
    return UnreadableFile("invalid_encoding", notice.message("invalid_encoding", expected=str(offset)))
