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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from ingester.domain.limits import Limits
from ingester.domain.reads import Format, Reads
from ingester.domain.size import in_words
from ingester.formats.heading import IsKnown
from ingester.formats.plain import PlainWriter, too_large, unreadable
from ingester.formats.records.record import BadRecord, RecordTable, TooDeep, json_text, short
from ingester.formats.transcribed import Transcribed
from ingester.formats.undecodable import undecodable

RECORD_LIMIT = 16 << 20
#: Where the rows of an object are, unless a feed says otherwise.
_RECORDS = "records"
_CHUNK = 1 << 18
#: Objects in one another in which rows are looked for.
_DEEPEST = 8
#: Keys of one object that is not a record, and names of them in a message.
_MOST_KEYS = 100_000
_NAMED = 8

_SPACE = re.compile(r"[ \t\n\r]*")


class _Follows(BadRecord):
    """There is more after the end of the document: of JSON Lines, it was the first line."""


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
                table = RecordTable(writer, columns, reads, limits, is_known)
                try:
                    if lines:
                        _lines(source, encoding, table)
                    else:
                        path = _document(source, encoding, path, table, is_known)
                except _Again as again:
                    path = again.args[0]
                    columns.clear()
                    continue
                except _Follows:
                    if reads.format is not None or reads.path:
                        raise
                    lines = True
                    columns.clear()
                    continue
            if not table.outgrown:
                break
    except UnicodeDecodeError:
        raise undecodable(source, encoding) from None
    except BadRecord as bad:
        raise bad.refusal() from None
    if writer.rows and not table.names():
        raise unreadable("its records have no keys")
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
        raise BadRecord(f'the key "{short(twice)}" comes twice')
    return record


def _no_constant(name: str) -> NoReturn:
    raise BadRecord(f"{name} is no JSON")


#: A number becomes bytes, as it is written, which no other value is.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=str.encode, parse_int=str.encode, parse_constant=_no_constant
)


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def _lines(source: Path, encoding: str, table: RecordTable) -> None:
    good = False
    with source.open(encoding=encoding, newline=None) as file:
        number = 0
        while line := file.readline(RECORD_LIMIT + 1):
            number += 1
            if len(line) > RECORD_LIMIT:
                raise too_large(f"line {number} has over {in_words(RECORD_LIMIT)}")
            if line.isspace():
                continue
            try:
                table.add(_record(line), number)
                good = True
            except (ValueError, RecursionError):
                table.add_broken(line.rstrip("\n"), number)
    if number and not good and table.rows:
        raise BadRecord("no line is a JSON object")


def _record(line: str) -> object:
    """The one value of a line. Raises ValueError."""
    record, end = _DECODER.raw_decode(line, _after_space(line, 0))
    if _after_space(line, end) != len(line):
        raise BadRecord("more follows")
    if "\\ud" in line or "\\uD" in line:
        # Half a character is none, and cannot be encoded.
        json_text(record, RECORD_LIMIT).encode()
    return record


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
            raise BadRecord(f"{where} {'it ends' if not found else 'there is no ' + ' or '.join(expected)}")
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
                    raise BadRecord(f"{error.msg} (after {error.pos - self._at} characters of it)") from None
            except RecursionError:
                raise TooDeep from None
            else:
                # A number at the end of what is in memory may go on.
                if end < len(self._text) or self._ended:
                    if end - self._at > RECORD_LIMIT:
                        raise too_large(f"a value of over {in_words(RECORD_LIMIT)}")
                    self._at = end
                    return value
            if len(self._text) - self._at > RECORD_LIMIT:
                raise BadRecord(f"it is no JSON, or a value has over {in_words(RECORD_LIMIT)}")
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
                raise BadRecord("a key is missing")
            key = str(self.value())
            if key in keys:
                raise BadRecord(f'the key "{short(key)}" comes twice')
            keys.add(key)
            if len(keys) > _MOST_KEYS:
                raise too_large(f"over {_MOST_KEYS} keys in one object")
            where = f'at "{short(key)}"'
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
            except BadRecord as bad:
                raise bad.within(f"record {number}") from None
            yield value
            if self.take(",]", f"after record {number}") == "]":
                return


def _document(
    source: Path, encoding: str, path: tuple[str, ...] | None, table: RecordTable, is_known: IsKnown | None
) -> tuple[str, ...] | None:
    """The rows of one document; where they were found."""
    with source.open("rb") as file:
        stream = _Stream(file, encoding)
        if stream.next() == "\ufeff":
            stream.take("\ufeff", "")
        is_array = stream.next() == "["
        if path:
            _follow(stream, path, table)
        elif path is None and stream.next() == "{":
            path = _search(stream, table, is_known)
        elif stream.next() in ("[", "{"):
            _rows(stream, table)
        else:
            raise BadRecord("it is no JSON object or array, and has no rows")
        if stream.next():
            # Of lines, an object was the first; a list would have been told from a document.
            raise (BadRecord if is_array else _Follows)("more follows after its end")
    return path


def _rows(stream: _Stream, table: RecordTable) -> None:
    """What comes next as rows: an array of records, or one record."""
    values = stream.items() if stream.next() == "[" else iter((stream.value(),))
    for number, record in enumerate(values, 1):
        try:
            table.add(record, number)
        except BadRecord as bad:
            raise bad.within(f"record {number}") from None


def _follow(stream: _Stream, path: Sequence[str], table: RecordTable) -> None:
    if not path:
        _rows(stream, table)
        return
    if stream.next() != "{":
        raise BadRecord(f'there is no "{path[0]}"')
    seen: list[str] = []
    for key in stream.members():
        seen.append(key)
        if key == path[0]:
            _follow(stream, path[1:], table)
        else:
            _skip(stream)
    if path[0] not in seen:
        raise BadRecord(f'there is no "{path[0]}"; there is {_listed(seen)}')


def _search(stream: _Stream, table: RecordTable, is_known: IsKnown | None) -> tuple[str, ...]:
    """Rows found among the root's members. Raises _Again with the path if they are not those that were written."""
    found: list[str] = []
    empty: list[str] = []
    deeper: list[str] = []
    is_record = False
    count = 0
    for key in stream.members():
        count += 1
        if stream.next() != "[":
            for path, are_rows in _leaves(stream.value(), key):
                is_record = is_record or (is_known(path) if is_known else not are_rows)
                if are_rows and len(deeper) <= _NAMED:
                    deeper.append(path)
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
        raise BadRecord(f"rows may be in {_listed(found)}; the feed has to say which, as in `path: {short(found[0])}`")
    if found:
        return (found[0],)
    if empty and count == 1:
        return (empty[0],)
    if deeper and not is_record and not stream.next():
        said = f"rows may be in {_listed(deeper)}; the feed has to say which, as in `path: {short(deeper[0])}`"
        raise BadRecord(said)
    raise _Again(())


def _leaves(value: object, path: str, depth: int = _DEEPEST) -> Iterator[tuple[str, bool]]:
    """What is in an object, by its path, and whether it may be rows: an array of objects."""
    if isinstance(value, dict) and value and depth:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}", depth - 1)
    else:
        yield path, isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _add(table: RecordTable, record: object, number: int) -> None:
    try:
        table.add(record, number)
    except BadRecord as bad:
        raise bad.within(f"record {number}") from None


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
    named = ", ".join(f'"{short(key)}"' for key in keys[:_NAMED])
    return named + (" …" if len(keys) > _NAMED else "") if keys else "nothing"
