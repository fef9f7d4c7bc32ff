"""From a drop to a reader of its rows: take off the containers, tell what it is, bring it into a form that is read.

A UTF-8 file whose cells stand between single bytes is read as it is; of everything else the workspace gets a copy that
is. What was found out about the file is told, and whatever is only likely, or is not imported, is a remark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import DEFAULT_LIMITS, Limits
from ingester.domain.reads import ANY_WAY, Format, Reads
from ingester.formats.heading import IsKnown
from ingester.formats.identify import identify
from ingester.formats.packed.container import unpack
from ingester.formats.packed.pgp import Keyring
from ingester.formats.plain import SEPARATOR
from ingester.formats.rewritten import Rewritten
from ingester.formats.text import rewrite
from ingester.formats.text.delimited import BLOCK_BYTES, DelimitedReader
from ingester.formats.text.dialect import tell_dialect
from ingester.formats.text.encoding import (
    SAMPLE_BYTES,
    UTF8,
    WIDE,
    Encoding,
    NoEncoding,
    NotUtf8,
    decoded,
    has_mark,
    tell_encoding,
    tell_late,
)
from ingester.formats.text.layout import Layout, lay_out
from ingester.formats.transcribed import Transcribed

Transcriber = Callable[[Path, Path, Reads, Limits, IsKnown | None], Transcribed]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the file as a whole that its sender should know: a notice's code and parts."""

    code: str
    expected: str
    value: str = ""

    @property
    def message(self) -> str:
        """The sentence for the sender."""
        return notice.message(self.code, expected=self.expected)


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file is. `header_row` is the physical line, or the sheet's row, of the header; None without one."""

    format: str
    container: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header_row: int | None = None
    sheet: str | None = None
    escape: str | None = None
    footer_lines: int = 0

    def to_json(self) -> dict[str, str | int | None]:
        """The status file's `detected`, which has these keys and no others."""
        return {key: value for key, value in asdict(self).items() if key not in ("escape", "footer_lines")}


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is ready to be read."""

    layout: Layout
    detected: Detected
    remarks: tuple[Remark, ...] = field(default=())

    def late(self, error: NotUtf8) -> Encoding:
        """Its encoding, told from where reading it found out that it is not UTF-8. Raises UnreadableFile."""
        if self.layout.rewritten is not None:
            raise error
        return tell_late(self.layout.path, error.offset)

    @property
    def named(self) -> bool:
        """Whether its columns have names, in the file or by the feed."""
        return any(self.layout.names)

    def reader(self, *, block_bytes: int = BLOCK_BYTES, threads: int = 2, index: Path | None = None) -> DelimitedReader:
        """Reads its rows."""
        return DelimitedReader(self.layout, block_bytes=block_bytes, threads=threads, index=index)


def open_drop(
    path: Path,
    name: str,
    workspace: Path,
    *,
    reads: Reads = ANY_WAY,
    limits: Limits = DEFAULT_LIMITS,
    is_known: IsKnown | None = None,
    keys: Callable[[], Keyring] = Keyring,
    late: Encoding | None = None,
) -> Opened:
    """Find out what a drop is. `name` is what its sender called it; `late` its encoding, if that was told later.

    `keys` are asked for when it is encrypted or signed.
    Raises UnreadableFile, with the reason for its sender.
    """
    inner = unpack(path, name, limits, workspace, keys=keys, signed=reads.signed)
    with inner.path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
        whole = not file.read(1)
    if not sample.removeprefix(b"\xef\xbb\xbf"):
        raise UnreadableFile("empty_file", notice.message("empty_file"))
    kind = identify(inner.path, inner.name, sample, reads)
    if kind is Format.CSV:
        opened = _Text(inner.path, sample, workspace, reads, limits, is_known, whole=whole).open(late)
    else:
        opened = _transcribed(inner.path, kind, workspace, reads, limits, is_known)
    container = "+".join(inner.containers) or None
    unverified = [] if inner.unverified is None else [Remark("unverified_signature", inner.unverified)]
    detected = replace(opened.detected, container=container)
    return replace(opened, detected=detected, remarks=(*unverified, *opened.remarks))


def _transcribed(
    path: Path, kind: Format, workspace: Path, reads: Reads, limits: Limits, is_known: IsKnown | None
) -> Opened:
    """A file that is no delimited text, in plain form."""
    target = workspace / "plain"
    found = _transcriber(kind)(path, target, reads, limits, is_known)
    layout = Layout(
        path=target,
        delimiter=SEPARATOR,
        names=found.names,
        start=0,
        line=1,
        end=target.stat().st_size,
        header_line=found.header_row or (0 if found.names else None),
        rewritten=Rewritten(escaped=True),
        limits=limits,
    )
    remarks = []
    if found.aside:
        remarks.append(Remark("preamble_skipped", "1", " ".join(filter(None, found.aside))))
    if found.other_sheets:
        remarks.append(Remark("other_sheets", f"'{found.sheet}'", ", ".join(found.other_sheets)))
    if found.rounded:
        remarks.append(Remark("rounded_numbers", ", ".join(found.rounded)))
    detected = Detected(format=kind.value, encoding=found.encoding, header_row=found.header_row, sheet=found.sheet)
    return Opened(layout, detected, tuple(remarks))


def _transcriber(kind: Format) -> Transcriber:
    """Loaded when a file needs it: most are text."""
    match kind:
        case Format.JSON | Format.JSONL:
            from ingester.formats.records import json_rows

            return json_rows.transcribe
        case Format.XML:
            from ingester.formats.records import xml_rows

            return xml_rows.transcribe
        case Format.PARQUET:
            from ingester.formats.records import parquet

            return parquet.transcribe
        case Format.FIXED:
            from ingester.formats.records import fixed

            return fixed.transcribe
        case _:
            from ingester.formats.sheets import sheet

            return sheet.transcribe


#: The columns that a file of rejects has beside its own.
_OF_REJECTS = frozenset({"_import", "_row", "_errors"})


class _Text:
    """A file of delimited text."""

    def __init__(
        self,
        path: Path,
        sample: bytes,
        workspace: Path,
        reads: Reads,
        limits: Limits,
        is_known: IsKnown | None,
        *,
        whole: bool,
    ) -> None:
        self._limits = limits
        self._path = path
        self._sample = sample
        self._whole = whole
        self._workspace = workspace
        self._reads = reads
        self._is_known = is_known

    def open(self, late: Encoding | None) -> Opened:
        encoding, remarks = self._encoding(late)
        sample = self._text(encoding.codec)
        if not sample.strip("\r\n"):
            raise UnreadableFile("missing_header", notice.message("missing_header"))
        dialect = tell_dialect(sample, self._reads, self._is_known)
        remarks += self._deviations(sample)
        path = self._path
        if rewrite.is_needed(encoding.codec, dialect):
            path = self._workspace / "rewritten"
            left_out = rewrite.rewrite(self._path, path, encoding.codec, dialect)
            if left_out.count:
                remarks.append(Remark("comments_skipped", str(left_out.count), "\n".join(left_out.shown)))
        layout = lay_out(
            path,
            rewrite.delimiter_of(dialect),
            self._reads,
            skip_lines=int(dialect.announced),
            rewritten=rewrite.rewritten(dialect),
            is_known=self._is_known,
            limits=self._limits,
        )
        if layout.names and _OF_REJECTS.issubset(layout.names):
            # Our own report comes back; what made it safe for a spreadsheet was not in the file it is about.
            layout = replace(layout, rewritten=replace(layout.rewritten or Rewritten(), guarded=True))
        if layout.is_mended:
            remarks.append(Remark("mended_header", ", ".join(layout.names)))
        if layout.preamble:
            remarks.append(Remark("preamble_skipped", str(len(layout.preamble)), "\n".join(layout.preamble)))
        if layout.footer:
            remarks.append(Remark("footer_skipped", str(len(layout.footer)), "\n".join(layout.footer)))
        found = Detected(
            format=Format.CSV.value,
            encoding=encoding.codec,
            delimiter=dialect.delimiter,
            quote=dialect.quote,
            escape=dialect.escape,
            header_row=layout.header_line,
            footer_lines=len(layout.footer),
        )
        return Opened(layout, found, tuple(remarks))

    def _encoding(self, late: Encoding | None) -> tuple[Encoding, list[Remark]]:
        wanted = self._reads.encoding
        if wanted is not None and wanted.startswith(WIDE) and b"\0" in self._sample and not has_mark(self._sample):
            return Encoding(wanted), []
        try:
            told = late or tell_encoding(self._sample, self._whole)
        except NoEncoding:
            if wanted is None or wanted in UTF8:
                raise
            return Encoding(wanted), []  # what the feed says may hold, though nobody could tell
        if wanted is None:
            guess = [Remark("guessed_encoding", told.codec)] if told.guessed else []
            return told, guess
        if wanted == told.codec or (wanted in UTF8 and told.codec in UTF8):
            return told, []
        if told.guessed or self._sample.isascii():
            return Encoding(wanted), []  # it may well be what the feed says
        if wanted.replace("_", "-").startswith(told.codec):
            return told, []  # utf-16-le, and the file has the mark that says so
        said = f"encoding {wanted}, and the file is {told.codec}"
        return told, [Remark("dialect_deviates", said)]

    def _text(self, codec: str) -> str:
        """The sample as text, to the end of a line if there is one."""
        if codec in UTF8:
            text = self._sample.decode("utf-8", "ignore").removeprefix("\ufeff")
        else:
            text = next(iter(decoded(self._path, codec)), "")[:SAMPLE_BYTES]
        if self._whole:
            return text
        end = max(text.rfind("\n"), text.rfind("\r"))
        return text[: end + 1] or text

    def _deviations(self, sample: str) -> list[Remark]:
        """What the feed says of the dialect, and the file itself says otherwise."""
        reads = self._reads
        if reads.delimiter is None or reads.delimiter in sample:
            return []
        looks = tell_dialect(sample, ANY_WAY, self._is_known).delimiter
        if looks == reads.delimiter or looks not in sample:
            return []
        return [Remark("dialect_deviates", f"delimiter {reads.delimiter!r}, and the file has {looks!r}")]
