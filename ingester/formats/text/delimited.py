"""Delimited text as a reader sees it: a header, blocks of rows in order, and single rows again by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.domain.size import in_words
from ingester.formats.in_order import in_order
from ingester.formats.plain import too_large
from ingester.formats.rows.cut import Positions
from ingester.formats.rows.piece import Finder, Piece
from ingester.formats.rows.row_index import Entry, RowIndex
from ingester.formats.text.block import Block, parse
from ingester.formats.text.layout import Layout
from ingester.formats.text.selection import Selection, select

BLOCK_BYTES = 8 << 20
#: A small file is cut into blocks as well, so that every thread has some; below this a block is not worth its while.
_LEAST_BYTES = 2 << 20
_BLOCKS_A_THREAD = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where a piece is, so that its rows can be read again."""

    offset: int
    end: int
    first_row: int
    first_line: int
    entry: Entry | None


class DelimitedReader:
    """Reads one file, in memory bounded by `block_bytes` and `threads`, never by the file.

    The constructor and the iterators raise UnreadableFile: `empty_file`, `missing_header`, `invalid_encoding` with
    the byte's offset, `unreadable_file` for what is no delimited text or has a row over 16 MiB. `index` is a file that
    may be written: with it, rows are read again without being looked for.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        block_bytes: int = BLOCK_BYTES,
        threads: int = 2,
        index: Path | None = None,
    ) -> None:
        self._layout = layout
        self._path = layout.path
        share = (layout.end - layout.start) // (_BLOCKS_A_THREAD * threads)
        self._block_bytes = min(block_bytes, max(share, _LEAST_BYTES))
        self._threads = threads
        self._extents: list[_Extent] = []
        self._index = RowIndex(index) if index is not None else None
        #: Known when `blocks` or `map` is exhausted.
        self.total_rows = 0
        #: Known then, too: why the last record looks cut off; None if it does not.
        self.truncated: str | None = None

    @property
    def header(self) -> list[str]:
        """The column names as sent, without blanks around them; a name may come twice."""
        return list(self._layout.names)

    def blocks(self) -> Iterator[Block]:
        """Every block in file order, parsed ahead in threads."""
        return self.map(lambda block: block)

    def map(self, function: Callable[[Block], T]) -> Iterator[T]:
        """What `function` makes of every block, in file order; it is called in the threads that parse."""
        width, delimiter, rewritten = len(self._layout.names), self._layout.delimiter, self._layout.rewritten
        self._extents, self.total_rows, self.truncated = [], 0, None
        if self._index is not None:
            self._index.clear()

        def work(piece: Piece) -> tuple[str | None, str | None, T]:
            block = parse(piece, width, delimiter, rewritten)
            self._refuse_long_cells(piece, block)
            return _open_quote(piece), _short_end(piece, block.ragged, width), function(block)

        with self._path.open("rb") as file:
            still_open = None
            for open_quote, short_end, result in in_order(work, self._pieces(file), self._threads):
                still_open = still_open or open_quote
                # Of the end of the file only the last block can tell.
                self.truncated = still_open or short_end
                yield result

    def map_rows(self, wanted: npt.NDArray[np.bool_], function: Callable[[Selection], T]) -> Iterator[T]:
        """What `function` makes of the rows whose numbers index a true entry of `wanted`, block by block.

        Only after `blocks` or `map` was exhausted; reads only the blocks that hold wanted rows, in file order, and
        calls `function` in threads.
        """
        width, delimiter, rewritten = len(self._layout.names), self._layout.delimiter, self._layout.rewritten
        ends = [*(extent.first_row for extent in self._extents), self.total_rows + 1][1:]

        with self._path.open("rb") as file:
            finder = self._finder(file)

            def work(part: tuple[_Extent, Positions]) -> T:
                extent, rows = part
                return function(select(self._again(finder, extent), rows, width, delimiter, rewritten))

            parts = (
                (extent, extent.first_row + np.flatnonzero(wanted[extent.first_row : end]))
                for extent, end in zip(self._extents, ends, strict=True)
            )
            yield from in_order(work, (part for part in parts if part[1].size), self._threads)

    def _finder(self, file: BinaryIO) -> Finder:
        layout = self._layout
        return Finder(file.fileno(), layout.end, layout.delimiter, len(layout.names), self._block_bytes)

    def _pieces(self, file: BinaryIO) -> Iterator[Piece]:
        for piece in self._finder(file).pieces(self._layout.start, self._layout.line):
            entry = self._index.keep(piece) if self._index is not None else None
            self._extents.append(_Extent(piece.offset, piece.end, piece.first_row, piece.first_line, entry))
            self.total_rows = piece.next_row - 1
            if self.total_rows > self._layout.limits.rows:
                raise too_large(f"over {self._layout.limits.rows:,} rows")
            yield piece

    def _refuse_long_cells(self, piece: Piece, block: Block) -> None:
        most = self._layout.limits.cell_bytes
        if len(piece.data) <= most or not piece.starts.size:
            return
        if int(np.diff(piece.starts, append=len(piece.data)).max()) <= most:
            return  # no row is as long as a cell may be
        for column in block.table.columns:
            if len(column) and pc.max(pc.binary_length(column)).as_py() > most:
                raise too_large(f"a cell of over {in_words(most)}")

    def _again(self, finder: Finder, extent: _Extent) -> Piece:
        if self._index is None or extent.entry is None:
            return finder.again(extent.offset, extent.end, extent.first_row, extent.first_line)
        data = memoryview(finder.read(extent.offset, extent.end))
        starts, lines = self._index.read(extent.entry)
        count = extent.entry.line_count
        return Piece(extent.offset, data, data, starts, lines, extent.first_row, extent.first_line, count)


def _open_quote(piece: Piece) -> str | None:
    """The quote of `piece` that is still open where the file ends, even if the lines after it read cleanly."""
    if piece.mended and piece.mended.open_line is not None:
        return f"the quote that opens on line {piece.first_line + piece.mended.open_line} never closes"
    return None


def _short_end(piece: Piece, ragged: pa.RecordBatch, width: int) -> str | None:
    """How `piece`, if it is the last, ends in the middle of a row."""
    if piece.raw[-1] in b"\r\n" or not ragged.num_rows:
        return None
    row, line, cells = (column[-1].as_py() for column in ragged.columns)
    if row == piece.next_row - 1 and cells < width:
        return f"line {line} ends after {cells} of {width} cells, without a line end"
    return None
