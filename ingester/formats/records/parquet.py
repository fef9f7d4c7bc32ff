"""Parquet, in plain form; read by a process of its own (`parquet_child.py`)."""

from __future__ import annotations

from pathlib import Path

from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.child import Child
from ingester.formats.heading import IsKnown
from ingester.formats.transcribed import Transcribed


def transcribe(
    source: Path, target: Path, reads: Reads, limits: Limits, is_known: IsKnown | None = None
) -> Transcribed:
    """Write the rows of `source` to `target`. Raises UnreadableFile."""
    del reads
    with Child("ingester.formats.records.parquet_child", "a Parquet file", limits) as reader:
        opened = reader.begin(source, target)
        known = [name for name in opened["names"] if is_known is not None and is_known(name)]
        written = reader.ask({"known": known})
    return Transcribed(names=tuple(written["names"]), rows=int(written["rows"]))
