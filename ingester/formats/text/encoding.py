"""Which encoding a text file has, told from a bounded sample, and its text as UTF-8.

UTF-8 is what text proves to be. Other encodings are only likely, so that whoever relies on one is told which was taken.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile

SAMPLE_BYTES = 64 << 10
BOM = codecs.BOM_UTF8
UTF8 = ("utf-8", "utf-8-sig")
#: How the names of encodings begin of which every character has several bytes.
WIDE = ("utf-16", "utf-32")
#: The longer ones first: UTF-32's begins as UTF-16's does.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Above this share of NUL bytes a sample is not text of single bytes; a single one is the fault of its cell.
_NUL_SHARE = 0.01
_CHUNK_BYTES = 1 << 20
#: What ISO-2022-JP turns to Japanese with; all of it is ASCII.
_SHIFTED = re.compile(rb"\x1b\$[@B(]")
#: Bytes beyond ASCII that a detector is shown, with what is around them.
_SHOWN = 400
_AROUND = 24
_HIGH = re.compile(rb"[^\x00-\x7f]")
#: How Western text is encoded unless something speaks for another encoding; measured on short lists of names.
_WESTERN = "cp1252"
#: Of these ISO has control characters where Windows has letters and quotation marks; nobody sends the former.
_WINDOWS = {
    "iso8859-1": "cp1252",
    "iso8859-2": "cp1250",
    "iso8859-5": "cp1251",
    "iso8859-6": "cp1256",
    "iso8859-7": "cp1253",
    "iso8859-8": "cp1255",
    "iso8859-9": "cp1254",
    "iso8859-13": "cp1257",
    "iso8859-15": "cp1252",
}
_CONTROL = re.compile(rb"[\x80-\x9f]")
_UNSURE = 0.034
#: Less sure than this is no idea at all.
_NO_IDEA = 0.01
#: So few different characters tell nothing, if the West has them as well.
_FEW = 4
_USUAL = frozenset("ÄÖÜäöüßÀÂÉÈÊËÎÏÔÙÛÇàâéèêëîïôùûçœæŒÆÁÍÓÚÑáíóúñ¿¡ãõÃÕìòÅåØø€£°§“”„—…«»®©™½²ªº") | {
    *("\u00a0", "\u00b4", "\u2018", "\u2019", "\u2013")
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec of Python's, and whether it is only likely."""

    codec: str
    guessed: bool = False


def tell_encoding(sample: bytes, whole: bool) -> Encoding:
    """The encoding of a text file that begins with `sample`, and ends there if it is `whole`.

    Raises UnreadableFile: `unreadable_file` for what is no text, `invalid_encoding` for what is none in any encoding.
    """
    for bom, codec in _BOMS:
        if sample.startswith(bom):
            return Encoding(codec)
    if wide := _without_bom(sample):
        return wide
    if _SHIFTED.search(sample):
        return Encoding("iso2022_jp_3", guessed=True)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
    except UnicodeDecodeError as error:
        return _other(sample, error.start)
    return Encoding("utf-8")


def has_mark(sample: bytes) -> bool:
    """Whether a file that begins so says its encoding."""
    return any(sample.startswith(bom) for bom, _ in _BOMS)


def tell_late(path: Path, offset: int) -> Encoding:
    """The encoding of a file that looked like UTF-8 up to the byte at `offset`. Raises UnreadableFile as above."""
    with path.open("rb") as file:
        while chunk := file.read(min(_CHUNK_BYTES, offset - file.tell())):
            if not chunk.isascii():
                raise invalid_encoding(offset)
        return _other(file.read(SAMPLE_BYTES), 0, at=offset)


def invalid_encoding(offset: int) -> UnreadableFile:
    """The error for a byte, counted from 0, that is no text."""
    return UnreadableFile("invalid_encoding", notice.message("invalid_encoding", expected=str(offset)))


class NoEncoding(UnreadableFile):
    """Text in no encoding that could be told; the byte at `offset` is no UTF-8."""

    def __init__(self, offset: int) -> None:
        super().__init__("invalid_encoding", notice.message("invalid_encoding", expected=str(offset)))


class NotUtf8(UnreadableFile):
    """A byte, the one at `offset` counted from 0, is no UTF-8 in a file that looked like it."""

    def __init__(self, offset: int) -> None:
        super().__init__("invalid_encoding", notice.message("invalid_encoding", expected=str(offset)))
        self.offset = offset


def decoded(path: Path, codec: str) -> Iterator[str]:
    """The text of a file in pieces, without a byte order mark. Raises UnreadableFile for bytes that are no text so."""
    decoder = codecs.getincrementaldecoder(codec)()
    position, first = 0, True
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                start = error.start if isinstance(error, UnicodeDecodeError) else 0
                raise _undecodable(codec, max(0, position + start)) from None
            position += len(chunk)
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            if text:
                yield text
            if not chunk:
                return


def _undecodable(codec: str, near: int) -> UnreadableFile:
    reason = f"it is no {codec} text around byte {near}"
    return UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))


def _without_bom(sample: bytes) -> Encoding | None:
    """UTF-16 or UTF-32 that does not say so: every second byte, or three of four, of most text is NUL."""
    nuls = sample.count(0)
    if nuls <= 1 or nuls <= _NUL_SHARE * len(sample):
        return None
    quarters = [sample[place::4].count(0) for place in range(4)]
    total = len(sample) // 4 or 1
    for codec, filled in (("utf-32-le", 0), ("utf-32-be", 3)):
        if quarters[filled] < 0.1 * total and all(quarters[at] > 0.9 * total for at in (2, 1) if at != filled):
            return Encoding(codec, guessed=True)
    odd, even = quarters[1] + quarters[3], quarters[0] + quarters[2]
    if max(odd, even) > 0.9 * nuls and nuls > 0.3 * len(sample):
        return Encoding("utf-16-le" if odd > even else "utf-16-be", guessed=True)
    raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected="it is binary, not text"))


def _other(sample: bytes, first_wrong: int, at: int = 0) -> Encoding:
    """What text is in that is no UTF-8 from the byte `first_wrong` of the sample on."""
    if _is_damaged_utf8(sample):
        raise invalid_encoding(at + first_wrong)
    shown = _interesting(sample)
    codec = _detected(shown)
    if codec is None:
        raise NoEncoding(at + first_wrong)
    return Encoding(codec, guessed=True)


def _is_damaged_utf8(sample: bytes) -> bool:
    """Whether most of what is not ASCII is UTF-8 all the same: then the rest is damaged, not of another kind."""
    good = sample.decode("utf-8", errors="ignore")
    characters = sum(1 for character in good if character > "\x7f")
    bad = sample.decode("utf-8", errors="replace").count("\ufffd")
    return characters > bad


def _interesting(sample: bytes) -> bytes:
    """The parts of a sample that are not ASCII, with what is around them."""
    parts, end = [], 0
    for match in _HIGH.finditer(sample):
        if match.start() < end:
            continue
        start = max(end, match.start() - _AROUND)
        end = match.start() + _AROUND
        parts.append(sample[start:end])
        if len(parts) >= _SHOWN:
            break
    return b"".join(parts)


def _detected(shown: bytes) -> str | None:
    import chardet  # a tenth of a second, for files that are no UTF-8 only

    found = chardet.detect(shown)
    try:
        codec = codecs.lookup(found["encoding"] or "").name
    except LookupError:
        return _WESTERN if _is_western(shown) else None
    is_unsure = found["confidence"] < _UNSURE or len(set(_HIGH.findall(shown))) <= _FEW
    if is_unsure and _is_western(shown):
        return _WESTERN
    if codec.startswith("iso8859") and _CONTROL.search(shown):
        return _of_windows(codec, shown)
    return None if codec in ("utf-8", "ascii") or found["confidence"] < _NO_IDEA else codec


def _of_windows(codec: str, shown: bytes) -> str:
    """What Windows has instead of an encoding of ISO's, if the text can be that."""
    instead = _WINDOWS.get(codec, codec)
    try:
        shown.decode(instead)
    except UnicodeDecodeError:
        return codec
    return instead


def _is_western(shown: bytes) -> bool:
    """Whether, read as Western European text, nearly every character beyond ASCII is a usual one."""
    try:
        beyond = [character for character in shown.decode(_WESTERN) if character > "\x7f"]
    except UnicodeDecodeError:
        return False
    return sum(1 for character in beyond if character in _USUAL) >= 0.9 * len(beyond)
