"""Text in another encoding or dialect, rewritten as UTF-8 whose cells stand between single bytes and in `"`.

Lines stay what they are, and nothing is decided about rows: what cannot be read stays in its row. Each change can be
taken back in the cells (`plain.Rewritten`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.size import in_words
from ingester.formats.in_order import in_order
from ingester.formats.plain import ESCAPE, ESCAPED_DELIMITER, SEPARATOR, text
from ingester.formats.rewritten import Rewritten
from ingester.formats.rows.mend import RECORD_LIMIT
from ingester.formats.text.comment import LeftOut, without_comments
from ingester.formats.text.dialect import Dialect
from ingester.formats.text.encoding import UTF8, decoded
from ingester.formats.text.single_byte import has_single_bytes, single_bytes_as_utf8

#: Stands for a quote that means nothing.
_LITERAL = "\x1c"
_CHUNK_BYTES = 1 << 20
#: More would wait for the one that writes.
_THREADS = 2


def rewritten(dialect: Dialect) -> Rewritten | None:
    """How the cells of such a file are changed by `rewrite`; None if not at all."""
    delimiter = SEPARATOR if _is_plain(dialect.delimiter) else dialect.delimiter
    if delimiter == SEPARATOR and dialect.quote == '"' and dialect.escape is None:
        return None
    return Rewritten(
        escaped=dialect.escape is not None,
        quote=dialect.quote or _LITERAL,
        delimiter=delimiter,
        escaped_delimiter=dialect.delimiter,
    )


def is_needed(codec: str, dialect: Dialect) -> bool:
    """Whether a file cannot be read as it is."""
    return codec not in UTF8 or rewritten(dialect) is not None or dialect.comment is not None


def delimiter_of(dialect: Dialect) -> str:
    """What stands between the cells of the rewritten file."""
    return dialect.delimiter if _is_plain(dialect.delimiter) else SEPARATOR


def rewrite(source: Path, target: Path, codec: str, dialect: Dialect) -> LeftOut:
    """Write `source` anew, and tell what was left out. Raises UnreadableFile for bytes that are no such text."""
    change, left_out = _changes(dialect), LeftOut()
    with target.open("wb") as out:
        if change is None and dialect.comment is None and has_single_bytes(codec):
            _transcode(source, out.write, codec)
            return left_out
        pieces = decoded(source, codec)
        if dialect.comment is not None:
            pieces = without_comments(
                pieces, dialect.comment, dialect.delimiter, dialect.quote, dialect.escape, left_out
            )
        if dialect.drawn is not None:
            pieces = map(dialect.drawn.plain, _lines(pieces))
        for piece in _whole(pieces, dialect):
            out.write((change(piece) if change else piece).encode("utf-8", "surrogatepass"))
    return left_out


def _is_plain(delimiter: str) -> bool:
    return len(delimiter) == 1 and delimiter.isascii()


def _transcode(source: Path, write: Callable[[bytes | memoryview], object], codec: str) -> None:
    """The quick way of single bytes, none of which means another character for what is around it."""

    def as_utf8(number: int, chunk: bytes) -> bytes | memoryview:
        try:
            return single_bytes_as_utf8(chunk, codec)
        except UnicodeDecodeError as error:
            reason = f"it is no {codec} text at byte {number * _CHUNK_BYTES + error.start}"
            raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason)) from None

    with source.open("rb") as file:
        chunks = enumerate(iter(lambda: file.read(_CHUNK_BYTES), b""))
        for utf8 in in_order(lambda chunk: as_utf8(*chunk), chunks, _THREADS):
            write(utf8)


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """The same text, no piece of which ends in the middle of a line."""
    held = ""
    for piece in pieces:
        held += piece
        if end := max(held.rfind("\n"), held.rfind("\r")) + 1:
            yield held[:end]
            held = held[end:]
        if len(held) > RECORD_LIMIT:
            reason = f"a line does not end within {in_words(RECORD_LIMIT)}"
            raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
    yield held


def _whole(pieces: Iterator[str], dialect: Dialect) -> Iterator[str]:
    """The same text, no piece of which ends in the middle of a delimiter or after an escape character."""
    marks = {*dialect.delimiter, dialect.escape} if _changes(dialect) else set()
    held = ""
    for piece in pieces:
        piece = held + piece
        end = len(piece)
        while end and piece[end - 1] in marks:
            end -= 1
        if end:
            yield piece[:end]
        held = piece[end:]
        if len(held) > _CHUNK_BYTES:
            yield held
            held = ""
    if held:
        yield held


def _changes(dialect: Dialect) -> Callable[[str], str] | None:
    how = rewritten(dialect)
    if how is None:
        return None
    steps: list[Callable[[str], str]] = []
    reserved = set()
    if how.delimiter != SEPARATOR:
        reserved.add(SEPARATOR)
    if how.quote != '"':
        reserved.add(_LITERAL)
    if reserved:
        steps.append(_refusing(reserved))
    if dialect.escape is not None:
        escaped = re.compile(f"{ESCAPE}|{re.escape(dialect.escape)}(?s:(.))")
        # Of a single quote too: it has changed places with the double one when it is taken back.
        means = {
            dialect.escape: dialect.escape,
            **{character: text(character) for character in "\r\n"},
            dialect.delimiter: ESCAPED_DELIMITER,
            **({dialect.quote: text('"')} if dialect.quote else {'"': _LITERAL, "'": "'"}),
        }

        def unescape(match: re.Match[str]) -> str:
            if match.group() == ESCAPE:
                return text(ESCAPE)
            # Before other characters it is one itself, as in the path of a file.
            return means.get(match.group(1), match.group())

        steps.append(lambda piece: escaped.sub(unescape, piece))
    if how.quote != '"':
        swap = str.maketrans({'"': how.quote, how.quote: '"'} if dialect.quote else {'"': _LITERAL})
        steps.append(lambda piece: piece.translate(swap))
    if how.delimiter != SEPARATOR:
        steps.append(lambda piece: piece.replace(dialect.delimiter, SEPARATOR))

    def change(piece: str) -> str:
        for step in steps:
            piece = step(piece)
        return piece

    return change


def _refusing(reserved: set[str]) -> Callable[[str], str]:
    def check(piece: str) -> str:
        for character in reserved:
            if character in piece:
                reason = f"it has the control character U+{ord(character):04X}"
                raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
        return piece

    return check
