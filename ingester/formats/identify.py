"""What kind of file a file is, from its first bytes; its name only tells JSON Lines from one long JSON document."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.reads import Format, Reads
from ingester.formats.packed.archive import workbook_of

#: The version of the first record and its length.
_OLD_WORKBOOKS = (b"\x00\x04", b"\x02\x06", b"\x04\x06")
#: How files begin that are nothing we read; https://en.wikipedia.org/wiki/List_of_file_signatures
_FOREIGN = (
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive"),
    (b"rar!\x1a\x07", "it is a RAR archive"),
    (b"%pdf-", "it is a PDF document"),
    (b"\x89png", "it is a picture"),
    (b"\xff\xd8\xff", "it is a picture"),
    (b"{\\rtf", "it is a text document (RTF)"),
    *((b"\t" + start + b"\0", "it is a workbook of Excel 4 or older; save it as .xlsx") for start in _OLD_WORKBOOKS),
    (b"<!doctype html", "it is a web page"),
    (b"<html", "it is a web page"),
)
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_XML = re.compile(r"<(?:\?xml\b|!--|!DOCTYPE\b|[A-Za-z_][\w.:-]*[\s/>])")
_ARRAY = re.compile(r"\[\s*(?:[{\[\]]|\Z)")
_OBJECT = re.compile(r'\{\s*(?:["}]|\Z)')
_JSON = ".json"
_LINES = (".jsonl", ".ndjson", ".ldjson")


def identify(path: Path, name: str, sample: bytes, reads: Reads) -> Format:
    """What the file is that begins with `sample`.

    Raises UnreadableFile for what is nothing we read, and for another format than the feed says.
    """
    for start, reason in _FOREIGN:
        if sample[: len(start)].lower() == start:
            raise _refused(reason)
    found = _found(path, name, sample)
    wanted = Format.FIXED if reads.widths else reads.format
    if wanted is None or wanted is found:
        return found
    lines = {Format.JSON, Format.JSONL}
    if found is Format.CSV or {wanted, found} == lines:
        return wanted  # any text may be of fixed width, or what its own reader will refuse
    raise _refused(f"its feed says {wanted.value}, and it is {found.value}")


def _found(path: Path, name: str, sample: bytes) -> Format:
    # An encrypted one begins with a length, and a column that is called PARENT with letters.
    if sample.startswith(b"PAR1") or (sample.startswith(b"PARE") and b"\0" in sample[4:8]):
        return Format.PARQUET
    if sample.startswith(_OLE):
        return Format.XLS
    if sample.startswith(_ZIP) and (workbook := workbook_of(path)):
        return workbook
    text = _text(sample).lstrip("\ufeff \t\r\n")
    if _XML.match(text):
        return Format.XML
    if _ARRAY.match(text):
        return Format.JSON
    if _OBJECT.match(text):
        return Format.JSONL if name.casefold().endswith(_LINES) or _is_lines(text) else Format.JSON
    if name.casefold().endswith(_JSON) and _is_value(text):
        return Format.JSON  # whose reader says what is wrong with it
    return Format.CSV


def _is_value(text: str) -> bool:
    """Whether it is JSON, if nothing that could be rows."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_lines(text: str) -> bool:
    """Whether the first line is an object by itself, and another one follows."""
    first, _, rest = text.partition("\n")
    if not rest.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _text(sample: bytes) -> str:
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return sample.decode("utf-16", "ignore")
    if sample[1:2] == b"\0" or sample[:1] == b"\0":
        return sample.replace(b"\0", b"").decode("latin-1")
    return sample.decode("utf-8", "ignore")


def _refused(reason: str) -> UnreadableFile:
    return UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
