"""Notices as columns: which row, which kind. Each phase's stream is in row order; readers merge streams by row.

A *kind* is one check of one field: its code, field and message are the same for every row it strikes, so a notice
costs twelve bytes. The value comes from the drop itself when the report is written.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingester.domain import notice
from ingester.domain.notice import Severity

_NOTICE = np.dtype([("row", "<i8"), ("kind", "<i4")])


@dataclass(frozen=True, slots=True)
class Kind:
    """What a notice says, row and value aside. `fields` has several names for a composite key or reference."""

    code: str
    fields: tuple[str, ...]
    message: str
    #: Of a rule file's own check, whose code is not in the catalogue; else the catalogue says.
    said_severity: Severity | None = None
    #: A better hint than the catalogue's.
    said_hint: str = ""

    @property
    def severity(self) -> Severity:
        """How bad it is: an error keeps its row out."""
        return self.said_severity or notice.CATALOGUE[self.code].severity

    @property
    def hint(self) -> str:
        """How to mend it."""
        known = notice.CATALOGUE.get(self.code)
        return self.said_hint or ("" if known is None else known.hint)

    @property
    def field(self) -> str:
        """The field's name as reports show it."""
        return "|".join(self.fields)


@dataclass(frozen=True, slots=True)
class FileNotice:
    """A notice about the file as a whole; it has no row."""

    kind: Kind
    value: str = ""


class Notices:
    """Every notice of one attempt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds: dict[Kind, int] = {}
        self._streams: dict[str, Path] = {}
        self._counts: Counter[int] = Counter()
        self.of_file: list[FileNotice] = []

    def clear(self) -> None:
        """Forget everything: the file is read from its beginning once more."""
        for path in self._streams.values():
            path.unlink(missing_ok=True)
        self._kinds.clear()
        self._streams.clear()
        self._counts.clear()
        self.of_file.clear()

    def add_to_file(self, code: str, fields: tuple[str, ...] = (), *, expected: str = "", value: str = "") -> None:
        """Report something about the file as a whole."""
        self.of_file.append(FileNotice(Kind(code, fields, notice.message(code, expected=expected)), value))

    def add(self, stream: str, found: list[tuple[Kind, npt.NDArray[np.int64]]]) -> npt.NDArray[np.int64]:
        """Append to a phase's stream the rows that each kind strikes; returns those that an error strikes, ascending.

        Rows of one call must come after those of the stream's earlier calls; within a call any order will do.
        """
        found = [(kind, rows) for kind, rows in found if len(rows)]
        if not found:
            return np.empty(0, dtype=np.int64)
        batch = np.empty(sum(len(rows) for _, rows in found), dtype=_NOTICE)
        start = 0
        for kind, rows in found:
            number = self._kinds.setdefault(kind, len(self._kinds))
            self._counts[number] += len(rows)
            batch["row"][start : start + len(rows)] = rows
            batch["kind"][start : start + len(rows)] = number
            start += len(rows)
        batch = batch[np.argsort(batch["row"], kind="stable")]
        path = self._streams.setdefault(stream, self._folder / f"{stream}.notices")
        with path.open("ab") as file:
            # Not `tofile`, which says nothing of a disk that is full.
            file.write(batch.tobytes())
        return self._struck(batch)

    def _struck(self, batch: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        warnings = [number for kind, number in self._kinds.items() if kind.severity is Severity.WARNING]
        return _distinct(batch["row"][~np.isin(batch["kind"], warnings)] if warnings else batch["row"])

    def struck(self, stream: str) -> Iterator[npt.NDArray[np.int64]]:
        """The rows that an error of a stream strikes, ascending, some at a time."""
        if stream in self._streams:
            for batch in _Stream(self._streams[stream]).batches():
                yield self._struck(batch)

    @property
    def kinds(self) -> list[Kind]:
        """By the number that stands for each in a stream."""
        return list(self._kinds)

    @property
    def total(self) -> int:
        """How many notices there are, those of the file included."""
        return sum(self._counts.values()) + len(self.of_file)

    def counts(self) -> dict[tuple[str, str, Severity], int]:
        """How many notices there are of each code, field and severity, exact; those of the file included."""
        counts: Counter[tuple[str, str, Severity]] = Counter()
        for kind, number in self._kinds.items():
            counts[kind.code, kind.field, kind.severity] += self._counts[number]
        for item in self.of_file:
            counts[item.kind.code, item.kind.field, item.kind.severity] += 1
        # In an order that does not depend on how the file was cut into blocks.
        return dict(sorted(counts.items()))

    def merged(self) -> Merged:
        """All streams as one, by row."""
        return Merged([_Stream(path) for path in self._streams.values()])


class _Stream:
    """One stream on disk; a sequence of row numbers, so that `bisect` can search it without reading it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = path.stat().st_size // _NOTICE.itemsize

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        return int(self.read(index, index + 1)["row"][0])

    def batches(self, size: int = 1 << 20) -> Iterator[npt.NDArray[np.void]]:
        """All notices, some at a time."""
        for start in range(0, len(self), size):
            yield self.read(start, min(start + size, len(self)))

    def read(self, start: int, end: int) -> npt.NDArray[np.void]:
        """The notices from one position to before another."""
        # Not mapped: mapped pages would count as this process's memory.
        return np.fromfile(self._path, dtype=_NOTICE, count=end - start, offset=start * _NOTICE.itemsize)


class Merged:
    """Reads row ranges of several streams at once; may be used by several threads."""

    def __init__(self, streams: list[_Stream]) -> None:
        self._streams = streams

    def between(self, first: int, last: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Rows and kinds of all notices about rows `first` to `last`, in row order."""
        parts = [stream.read(bisect_left(stream, first), bisect_right(stream, last)) for stream in self._streams]
        batch = np.concatenate(parts) if parts else np.empty(0, dtype=_NOTICE)
        if len(parts) > 1:
            batch = batch[np.argsort(batch["row"], kind="stable")]
        return batch["row"].astype(np.int64), batch["kind"].astype(np.int32)

    def rows(self) -> Iterator[npt.NDArray[np.int64]]:
        """Every row with a notice, distinct and ascending within each batch of a stream."""
        for stream in self._streams:
            for batch in stream.batches():
                yield _distinct(batch["row"])


def _distinct(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sorted numbers, each once; numpy's own `unique` would not profit from their order."""
    return rows[np.append(True, rows[1:] != rows[:-1])] if len(rows) else rows
