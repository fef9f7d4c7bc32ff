"""Workbooks (XLSX, XLSM, XLSB, XLS, ODS): one sheet of them, in plain form.

They are read by a process of their own (`sheet_child.py`), since a workbook is read into memory whole and a small file
may ask for any amount of it: the process may not have more, and whatever it dies of, the import is told.
"""

from __future__ import annotations

from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.child import Child
from ingester.formats.heading import Heading, IsKnown, find_heading, known_names
from ingester.formats.transcribed import Transcribed


def transcribe(
    source: Path, target: Path, reads: Reads, limits: Limits, is_known: IsKnown | None = None
) -> Transcribed:
    """Write the rows of a sheet to `target`: the one that the feed names, or the visible one that is the likeliest.

    Raises UnreadableFile.
    """
    with Child("ingester.formats.sheets.sheet_child", "a workbook", limits) as reader:
        opened = reader.begin(source, target, sheet=reads.sheet)
        if "previews" in opened:
            opened = reader.ask({"choice": _likeliest(opened["previews"], is_known)})
        sample = [(int(number), [str(cell) for cell in row]) for number, row in opened["sample"]]
        heading = _heading(sample, reads, is_known)
        header, data = _rows_of(sample, heading)
        written = reader.ask({"names": heading.names, "data": data, "footer": reads.footer or 0})
    first, last = int(written["first"]), int(written["last"])
    names = [*heading.names, *[""] * last][first:last]
    if reads.columns:
        names = list(reads.columns) + names[len(reads.columns) :]
    return Transcribed(
        names=tuple(names),
        rows=int(written["rows"]),
        first_line=data + 1,
        header_row=None if header is None else header + 1,
        sheet=str(opened["sheet"]),
        other_sheets=tuple(opened["others"]),
        aside=heading.aside,
        uncalculated=int(opened["uncalculated"]),
        rounded=tuple(names[place] or f"column {first + place + 1}" for place in written["rounded"]),
    )


def _likeliest(previews: list[list[list[str]]], is_known: IsKnown | None) -> int:
    """The first sheet with about as many names that the rules know as any; else the first that is a table."""
    if is_known is not None:
        counts = [max((known_names(row, is_known) for row in rows), default=0) for rows in previews]
        if most := max(counts):
            return next(index for index, count in enumerate(counts) if count * 2 >= most)
    return next((index for index, rows in enumerate(previews) if _is_table(rows)), 0)


def _is_table(rows: list[list[str]]) -> bool:
    """Whether it has names and cells side by side: a cover has lines of text, and at most a word with a date behind."""
    widths = [sum(1 for cell in row if cell.strip()) for row in rows]
    if max(widths, default=0) > 2 or sum(width > 1 for width in widths) > 1:
        return bool(find_heading(rows).names)
    return False


_Sample = list[tuple[int, list[str]]]


def _heading(sample: _Sample, reads: Reads, is_known: IsKnown | None) -> Heading:
    """The header by its index in the sample."""
    rows = [row for _, row in sample]
    if reads.header:
        index = next((index for index, (number, _) in enumerate(sample) if number == reads.header - 1), None)
        if index is None:
            raise UnreadableFile("missing_header", notice.message("missing_header"))
        return Heading(index, index + 1, tuple(cell.strip() for cell in rows[index]))
    if reads.columns:
        return Heading(None, 0, reads.columns)
    heading = find_heading(rows, is_known)
    if not heading.names:
        raise UnreadableFile("missing_header", notice.message("missing_header"))
    return heading


def _rows_of(sample: _Sample, heading: Heading) -> tuple[int | None, int]:
    """The header's row of the sheet, and that from which on rows are data, from 0."""
    header = None if heading.row is None else sample[heading.row][0]
    if heading.data < len(sample):
        return header, sample[heading.data][0]
    return header, sample[-1][0] + 1 if sample else 0
