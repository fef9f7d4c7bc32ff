"""What a file is, told from a bounded sample: text or not, delimiter, header row. Never reads past the sample."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile

SAMPLE_BYTES = 64 << 10
BOM = b"\xef\xbb\xbf"
DELIMITERS = (",", ";", "\t", "|")

#: How files begin that are no delimited text; https://en.wikipedia.org/wiki/List_of_file_signatures
_SIGNATURES = (
    (b"\x1f\x8b", "it is a gzip archive"),
    (b"PK\x03\x04", "it is a zip archive or a spreadsheet"),
    (b"PK\x05\x06", "it is an empty zip archive"),
    (b"BZh", "it is a bzip2 archive"),
    (b"\xfd7zXZ\x00", "it is an xz archive"),
    (b"\x28\xb5\x2f\xfd", "it is a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an old Excel workbook"),
    (b"%PDF-", "it is a PDF document"),
    (b"PAR1", "it is a Parquet file"),
    (b"\xff\xfe", "it is UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16 text; save it as UTF-8"),
)
#: Rows of the sample that vote on the delimiter.
_VOTERS = 200
#: Above this share of NUL bytes a sample is not text; a single one is the fault of its cell.
_NUL_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Detected:
    """How to read a file. `encoding` is `utf-8`, or `utf-8-sig` where the file begins with a byte order mark.

    `header_row` is the physical line of the header.
    """

    format: str
    container: str | None
    encoding: str
    delimiter: str
    quote: str
    header_row: int = 1
    sheet: str | None = None

    def to_json(self) -> dict[str, str | int | None]:
        """The status file's `detected`."""
        return asdict(self)


def detect(path: Path) -> Detected:
    """What `path` is. Raises UnreadableFile (`empty_file`, `unreadable_file`, `invalid_encoding`, `missing_header`)."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
        whole = not file.read(1)
    has_bom = sample.startswith(BOM)
    if not sample.removeprefix(BOM):
        raise UnreadableFile("empty_file", notice.message("empty_file"))
    _refuse_binary(sample)
    text = _decode(sample, whole)
    rows = text.lstrip("\r\n")
    if not rows:
        raise UnreadableFile("missing_header", notice.message("missing_header"))
    return Detected(
        format="csv",
        container=None,
        encoding="utf-8-sig" if has_bom else "utf-8",
        delimiter=_delimiter(rows if whole else rows[: rows.rfind("\n") + 1] or rows),
        quote='"',
        header_row=len(text[: len(text) - len(rows)].splitlines()) + 1,
    )


def _refuse_binary(sample: bytes) -> None:
    reason = next((reason for start, reason in _SIGNATURES if sample.startswith(start)), None)
    nuls = sample.count(0)
    if reason is None and nuls > 1 and nuls > _NUL_SHARE * len(sample):
        odd, even = sample[1::2].count(0), sample[0::2].count(0)
        wide = max(odd, even) > 0.9 * nuls and nuls > 0.3 * len(sample)
        reason = "it looks like UTF-16 text; save it as UTF-8" if wide else "it is binary, not text"
    if reason is not None:
        raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))


def _decode(sample: bytes, whole: bool) -> str:
    try:
        return sample.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Counted from the first byte, whether or not that belongs to a byte order mark.
        start = error.start + len(sample) - len(error.object)
        if not whole and error.end == len(error.object) and error.reason == "unexpected end of data":
            return sample[:start].decode("utf-8-sig")
        raise invalid_encoding(start) from None


def invalid_encoding(offset: int) -> UnreadableFile:
    """The error for a byte, counted from 0, that is no UTF-8."""
    return UnreadableFile("invalid_encoding", notice.message("invalid_encoding", expected=str(offset)))


def _delimiter(text: str) -> str:
    """The candidate that is in the header and gives most rows the header's cell count, then the most cells."""
    best, best_score = DELIMITERS[0], (0.0, 0)
    for candidate in DELIMITERS:
        # No cell of a sample reaches the csv module's own limit of 128 KiB.
        rows = islice(csv.reader(StringIO(text, newline=""), delimiter=candidate), _VOTERS)
        widths = Counter(len(row) for row in rows if row)
        header = next(iter(widths))
        score = (widths[header] / max(widths.total(), 1), header)
        if header > 1 and score > best_score:
            best, best_score = candidate, score
    return best
