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
from ingester.domain.size import in_words
from ingester.formats.packed import archive, pgp
from ingester.formats.packed.pgp import Keyring
from ingester.formats.plain import too_large

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The innermost file, its name without what its containers had added, and the containers, outermost first.

    `verified`: a known sender's signature was on it; `unverified`: the keys of those that it has else, in words.
    """

    path: Path
    name: str
    containers: tuple[str, ...] = ()
    verified: bool = False
    unverified: str | None = None


def unpack(
    path: Path,
    name: str,
    limits: Limits,
    workspace: Path,
    *,
    keys: Callable[[], Keyring] = Keyring,
    signed: bool = False,
    stop: Callable[[Path], bool] = lambda _: False,
) -> Unpacked:
    """Take off every layer, up to a file of which `stop` says that it is wanted as it is.

    `keys` are asked for when there is something to decrypt; `signed`: without a known sender's signature the file is
    refused. Raises UnreadableFile: `too_large`, `unreadable_file` for what is damaged, or what `pgp.decrypt` says.
    """
    if path.stat().st_size > limits.file_bytes:
        raise too_large(f"at most {in_words(limits.file_bytes)}")
    found: list[str] = []
    verified, unverified = False, None
    while not stop(path) and (kind := _kind(path, name)) is not None:
        if len(found) == limits.nesting:
            raise too_large(f"containers in containers, over {limits.nesting} of them")
        inner, packed = workspace / f"unpacked.{len(found)}", path.stat().st_size
        name = stripped(name)
        if kind == "pgp":
            most = archive.allowance(packed, limits)
            said = pgp.decrypt(path, inner, keys(), limit_bytes=most, signed=signed and not verified)
            verified, unverified = verified or said.signer is not None, unverified or said.unverified
        elif kind == "zip":
            member = archive.only(path, limits)
            name = member.name
            _write(archive.read(path, member, limits), inner, packed, limits, kind)
        else:
            _write(_READERS[kind](path), inner, packed, limits, kind)
        if found:
            path.unlink()
        found.append(kind)
        path = inner
    if signed and not verified:
        raise UnreadableFile("unsigned", notice.message("unsigned"))
    return Unpacked(path, name, tuple(found), verified, None if verified else unverified)


def stripped(name: str) -> str:
    """A file's name without the last suffix that says how it is packed."""
    lower = name.casefold()
    return next(
        (name[: -len(suffix)] for suffix in CONTAINER_SUFFIXES if lower.endswith(suffix) and len(name) > len(suffix)),
        name,
    )


def _kind(path: Path, name: str) -> str | None:
    """What a file is packed in; a document that is a zip as well is packed in nothing."""
    with path.open("rb") as file:
        head = file.read(pgp.FIRST_BYTES)
    kind = next((kind for start, kind in _SIGNATURES if head.startswith(start)), None)
    if kind == "zip" and not archive.is_archive(path):
        return None
    if kind is None and head and pgp.is_pgp(head, name):
        return "pgp"
    return kind


def _write(chunks: Iterator[bytes], target: Path, packed: int, limits: Limits, kind: str) -> None:
    total, most = 0, archive.allowance(packed, limits)
    try:
        with target.open("wb") as out:
            for chunk in chunks:
                total += len(chunk)
                if total > most:
                    raise too_large(f"its {kind} container holds over {in_words(most)}")
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


#: How files begin that are packed; https://en.wikipedia.org/wiki/List_of_file_signatures
_SIGNATURES = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_READERS: dict[str, Callable[[Path], Iterator[bytes]]] = {
    "gzip": _gunzip,
    "bzip2": lambda path: _decompressed(path, bz2.BZ2Decompressor),
    "xz": lambda path: _decompressed(path, _unxz),
    "zstd": _unzstd,
}
