"""Where the first byte is that is no text, asked for once reading has failed on it."""

from __future__ import annotations

import codecs
from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile

_CHUNK = 1 << 18


def undecodable(source: Path, encoding: str) -> UnreadableFile:
    """The error for bytes that are no text, with the place of the first."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    offset = 0
    with source.open("rb") as file:
        while True:
            raw = file.read(_CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                offset += error.start - pending
                break
            if not raw:
                break
            offset += len(raw)
    return UnreadableFile("invalid_encoding", notice.message("invalid_encoding", expected=str(offset)))
