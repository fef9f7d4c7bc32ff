"""What files are packed in: one layer after the other is taken off into the workspace, in bounded memory.

Headers lie, so bytes are counted while they come out. Nothing is believed before the last byte: a layer that ends
early, or is damaged, refuses the file.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.name import CONTAINER_SUFFIXES
from ingester.formats.plain import too_large

_CHUNK_BYTES = 1 << 20
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The innermost file, its name without what its containers had added, and the containers, outermost first."""

    path: Path
    name: str
    containers: tuple[str, ...] = ()


def unpack(
    path: Path, name: str, limits: Limits, workspace: Path, stop: Callable[[Path], bool] = lambda _: False
) -> Unpacked:
    """Take off every layer, up to a file of which `stop` says that it is wanted as it is.

    Raises UnreadableFile: `too_large`, or `unreadable_file` for what is damaged.
    """
    if path.stat().st_size > limits.file_bytes:
        raise too_large(f"at most {limits.file_bytes} bytes")
    found: list[str] = []
    while not stop(path) and (layer := _layer(path)) is not None:
        if len(found) == limits.nesting:
            raise too_large(f"containers in containers, over {limits.nesting} of them")
        kind, read = layer
        inner = workspace / f"unpacked.{len(found)}"
        _write(read(path), inner, path.stat().st_size, limits, kind)
        if found:
            path.unlink()
        found.append(kind)
        path, name = inner, stripped(name)
    return Unpacked(path, name, tuple(found))


def stripped(name: str) -> str:
    """A file's name without the last suffix that says how it is packed."""
    lower = name.casefold()
    return next(
        (name[: -len(suffix)] for suffix in CONTAINER_SUFFIXES if lower.endswith(suffix) and len(name) > len(suffix)),
        name,
    )


def _layer(path: Path) -> tuple[str, Callable[[Path], Iterator[bytes]]] | None:
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"\x1f\x8b"):
        return "gzip", _gunzip
    if head.startswith(b"BZh"):
        return "bzip2", lambda path: _decompressed(path, bz2.BZ2Decompressor)
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz", lambda path: _decompressed(path, _unxz)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd", _unzstd
    return None


def _write(chunks: Iterator[bytes], target: Path, packed: int, limits: Limits, kind: str) -> None:
    total, most = 0, min(limits.unpacked_bytes, max(limits.ratio_bytes, packed * limits.ratio))
    try:
        with target.open("wb") as out:
            for chunk in chunks:
                total += len(chunk)
                if total > most:
                    raise too_large(f"its {kind} container holds over {most} bytes")
                out.write(chunk)
    except (zlib.error, lzma.LZMAError, EOFError, pa.ArrowException, ValueError) as error:
        reason = (
            f"its {kind} container ends too early" if isinstance(error, EOFError) else f"its {kind} data is damaged"
        )
        raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason)) from None
    except OSError as error:
        if error.errno is None:  # of the decompressor, not of the disk
            reason = f"its {kind} data is damaged"
            raise UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason)) from None
        raise


def _gunzip(path: Path) -> Iterator[bytes]:
    """Every member of a gzip file, as zcat has it (RFC 1952); zeros may fill up the end, as tapes and blocks do."""
    with path.open("rb") as file:
        data = file.read(_CHUNK_BYTES)
        while data:
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                yield member.decompress(data, _CHUNK_BYTES)
                data = member.unconsumed_tail or (member.unused_data if member.eof else file.read(_CHUNK_BYTES))
                if not data and not member.eof:
                    raise EOFError
            data = member.unused_data or file.read(_CHUNK_BYTES)
            while data and not data.strip(b"\0"):
                data = file.read(_CHUNK_BYTES)


def _unxz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=1 << 28)


def _decompressed(path: Path, make: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> Iterator[bytes]:
    """Streams one after the other, each to its end."""
    with path.open("rb") as file:
        data = file.read(_CHUNK_BYTES)
        while data:
            stream = make()
            while not stream.eof:
                if stream.needs_input and not data:
                    raise EOFError
                yield stream.decompress(data, _CHUNK_BYTES)
                data = file.read(_CHUNK_BYTES) if stream.needs_input and not stream.eof else b""
            data = stream.unused_data or file.read(_CHUNK_BYTES)
            while data and not data.strip(b"\0"):
                data = file.read(_CHUNK_BYTES)


def _unzstd(path: Path) -> Iterator[bytes]:
    with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, "zstd") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
