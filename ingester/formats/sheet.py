"""Workbooks (XLSX, XLSM, XLS, ODS): one sheet of them, in plain form.

They are read by a process of their own (`sheet_child.py`), since a workbook is read into memory whole and a small file
may ask for any amount of it: the process may not have more, and whatever it dies of, the import is told.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, Self

from ingester.domain import notice
from ingester.domain.errors import TransientError, UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.heading import Heading, IsKnown, find_heading
from ingester.formats.plain import too_large, unreadable
from ingester.formats.transcribed import Transcribed

#: Of the processor; 50 million cells take about two minutes.
_CPU_SECONDS = 900
_DEADLINE_SECONDS = 3600.0
_TAKES_TOO_LONG = f"a workbook that takes over {_CPU_SECONDS // 60} minutes to read"


def transcribe(
    source: Path, target: Path, reads: Reads, limits: Limits, is_known: IsKnown | None = None
) -> Transcribed:
    """Write the rows of a sheet to `target`: the one that the feed names, or the first visible one that has rows.

    Raises UnreadableFile.
    """
    order = {
        "source": str(source.absolute()),
        "target": str(target.absolute()),
        "sheet": reads.sheet,
        "memory": limits.sheet_memory,
        "seconds": _CPU_SECONDS,
        **limits.model_dump(include={*_BOUNDS}),
    }
    with _Reader(limits) as reader:
        opened = reader.ask(order)
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
        uncalculated=int(opened["uncalculated"]),
    )


_BOUNDS = ("sheet_cells", "rows", "columns", "cell_bytes", "unpacked_bytes", "ratio", "ratio_bytes")
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


class _Reader:
    """The process, and what it says; whatever it says or dies of that is no answer becomes an error."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __enter__(self) -> Self:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingester.formats.sheet_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
                cwd="/",
            )
        except OSError as error:
            self._errors.close()
            raise TransientError(f"workbooks cannot be read: {error}") from None
        self._deadline = Timer(_DEADLINE_SECONDS, self._process.kill)
        self._deadline.daemon = True
        self._deadline.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._deadline.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()

    def ask(self, order: object) -> dict[str, Any]:
        """What it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "code" in answer:
            code = str(answer["code"])
            raise UnreadableFile(code, str(answer["reason"]) or notice.message(code))
        if "memory" in answer:
            raise self._too_much()
        if "trouble" in answer:
            raise TransientError(f"a workbook cannot be read: {answer['trouble']}")
        if "broken" in answer:
            raise unreadable(str(answer["broken"]))
        return answer

    def _too_much(self) -> UnreadableFile:
        return too_large(f"a workbook that takes over {self._limits.sheet_memory >> 20} MiB of memory")

    def _ended(self) -> Exception:
        status = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read(1 << 16)
        if status == -signal.SIGXCPU:
            return too_large(_TAKES_TOO_LONG)
        if b"memory allocation" in said or b"MemoryError" in said or b"capacity overflow" in said:
            return self._too_much()
        if status in (-signal.SIGKILL, -signal.SIGTERM):
            return TransientError("the process that read a workbook was stopped")
        return unreadable("the workbook is damaged")
