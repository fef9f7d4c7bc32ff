"""A file opened as a drop is, and its whole table as it was read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ingester.domain.reads import Reads
from ingester.formats.opening import Opened, open_drop


def opened(tmp_path: Path, data: bytes | str, name: str = "file.csv", **said: Any) -> Opened:
    """The drop of these bytes; `said` are words of `Reads`, and further arguments of `open_drop`."""
    path = tmp_path / "drop"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    reads = Reads(**{word: value for word, value in said.items() if word in Reads.model_fields})
    others = {word: value for word, value in said.items() if word not in Reads.model_fields}
    return open_drop(path, name, tmp_path, reads=reads, **others)


def rows(found: Opened) -> list[list[str]]:
    """The header, where there is one, and every row, ragged ones with the cells they have."""
    reader = found.reader()
    told: dict[int, list[str]] = {}
    for block in reader.blocks():
        columns = [column.to_pylist() for column in block.table.columns]
        told |= dict(zip(block.rows.to_pylist(), map(list, zip(*columns, strict=True)), strict=True))
    for part in reader.map_rows(np.ones(reader.total_rows + 1, np.bool_), lambda part: part):
        told |= part.ragged
    return [*([reader.header] if found.layout.header_line else []), *(told[row] for row in sorted(told))]
