"""Zip archives: which files are in one, and each of them unpacked, without believing a word of its headers.

Read here by hand, since the standard library reads the whole directory into memory, allocates what an entry's
dictionary asks for, and before 3.11.8 takes entries that share their bytes (CVE-2024-0450). The format is PKWARE's
APPNOTE 6.3.10. Names are never used as paths. Nothing of Arrow is loaded.
"""

from __future__ import annotations

import bz2
import lzma
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import DEFAULT_LIMITS, Limits
from ingester.domain.name import is_unfinished
from ingester.domain.reads import Format
from ingester.domain.size import in_words

_LOCAL, _CENTRAL, _END, _END64, _LOCATOR = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3I5H2I")
_END_RECORD = struct.Struct("<4s4H2IH")
_END64_RECORD = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_RECORD = struct.Struct("<4sIQI")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _UTF8, _MASKED = 0x1, 0x800, 0x2000
_ZIP64_EXTRA, _UNICODE_NAME_EXTRA = 0x0001, 0x7075
_DOS_FOLDER = 0x10
#: An archive ends in a comment of so many bytes at most.
_LONGEST_COMMENT = 0xFFFF
#: Of the directory, in bytes: what a member takes there with a long path, and what small archives may have beyond.
_ENTRY_BYTES, _SPARE_BYTES = 512, 1 << 20
_CHUNK = 1 << 20
#: What unpacking may allocate for the window of one entry; those that ask for more were made to be refused.
_LARGEST_DICTIONARY = 64 << 20

_STORED, _DEFLATED, _DEFLATE64, _BZIP2, _LZMA, _AES = 0, 8, 9, 12, 14, 99
_METHOD_NAMES = {
    1: "Shrink",
    6: "Implode",
    _DEFLATE64: "Deflate64",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
}

#: What systems leave in archives beside what people put there.
_LITTER = ("__macosx",)
_LITTER_NAMES = ("thumbs.db", "desktop.ini")
#: Files that only documents have which happen to be zips: Office's and OpenDocument's.
_DOCUMENT_MARKS = (b"[Content_Types].xml", b"mimetype")


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive. Sizes are as the archive declares them; unpacking holds it to them."""

    #: The last part of its path, fit to be shown; of one archive no two are the same.
    name: str
    #: The folder it is in and its name there, as the archive has them.
    folder: str
    own_name: str
    size: int
    #: Its place among all entries of the archive.
    index: int
    packed: int
    method: int
    crc: int
    #: Where its packed bytes begin in the file.
    start: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the directory."""

    index: int
    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    #: Where its local header begins.
    offset: int

    @property
    def is_file(self) -> bool:
        if self.name.endswith(("/", "\\")) or (self.mode & _DOS_FOLDER and not self.size):
            return False
        kind = stat.S_IFMT(self.mode >> 16)
        return kind in (0, stat.S_IFREG)

    @property
    def segments(self) -> list[str]:
        return self.name.replace("\\", "/").split("/")


def is_archive(path: Path, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether a file is a zip of files, and not a workbook or another document, which are zips as well."""
    try:
        names = _names(path, limits)
    except UnreadableFile:
        return True  # whoever opens it hears why it cannot be
    return names is not None and names.isdisjoint(_DOCUMENT_MARKS)


def workbook_of(path: Path, limits: Limits = DEFAULT_LIMITS) -> Format | None:
    """Which kind of workbook a zip is, if any."""
    try:
        names = _names(path, limits)
    except UnreadableFile:
        names = None
    if names is None or names.isdisjoint(_DOCUMENT_MARKS):
        return None
    if b"mimetype" in names:
        return Format.ODS if b"content.xml" in names else None
    if any(name.startswith(b"xl/") or name.rpartition(b"/")[2] == b"workbook.xml" for name in names):
        return Format.XLSX
    return None


def _names(path: Path, limits: Limits) -> frozenset[bytes] | None:
    """What the entries of a zip are called; None of any other file. Raises UnreadableFile."""
    with path.open("rb") as file:
        if file.read(len(_LOCAL)) not in (_LOCAL, _END):
            return None
        return frozenset(entry.raw_name for entry in _directory(file, limits)[0])


def members(path: Path, limits: Limits) -> list[Member]:
    """The files in an archive, in its order; folders and what systems leave there are none.

    Raises UnreadableFile for one that is damaged, encrypted, larger than the limits, or made to deceive.
    """
    with path.open("rb") as file:
        entries, starts = _checked(file, limits)
    found, taken = list[Member](), set[str]()
    for entry, start in zip(entries, starts, strict=True):
        if not _is_member(entry):
            continue
        if len(found) == limits.members:
            raise _too_large(f"it has more than {limits.members:,} files")
        _refuse_locked(entry)
        _refuse_unknown(entry)
        *folders, own_name = entry.segments
        name = _shown(own_name, taken)
        taken.add(name.casefold())
        folder = "/".join(folders)
        found.append(
            Member(name, folder, own_name, entry.size, entry.index, entry.packed, entry.method, entry.crc, start)
        )
    return found


def allowance(packed: int, limits: Limits) -> int:
    """How many bytes may come out of so many."""
    return min(limits.unpacked_bytes, max(limits.ratio_bytes, limits.ratio * packed))


def only(path: Path, limits: Limits) -> Member:
    """The one file in an archive that has to have one. Raises UnreadableFile."""
    found = members(path, limits)
    if not found:
        raise UnreadableFile("empty_archive", notice.message("empty_archive"))
    if len(found) > 1:
        raise _unreadable(f"it is an archive of {len(found)} files, and was not expected to be one")
    return found[0]


def read(path: Path, member: Member, limits: Limits) -> Iterator[bytes]:
    """One member's bytes, block by block; they can be believed when the last has come without UnreadableFile."""
    if member.size > allowance(member.packed, limits):
        raise _too_large(_of(member, f"has {member.size:,} bytes unpacked, packed {member.packed:,}"))
    crc = count = 0
    with path.open("rb") as file:
        for block in _unpacked(file, member):
            count += len(block)
            if count > member.size:
                raise _unreadable(_of(member, f"has more bytes than the {member.size:,} that the archive says"))
            crc = zlib.crc32(block, crc)
            yield block
    if count != member.size:
        raise _unreadable(_of(member, f"has {count:,} bytes and not the {member.size:,} that the archive says"))
    if crc != member.crc:
        raise _unreadable(_of(member, "is damaged: its checksum is wrong"))


# --- the directory --------------------------------------------------------------------------------------------------


def _checked(file: BinaryIO, limits: Limits) -> tuple[list[_Entry], list[int]]:
    """Every entry and where its bytes begin, none of which share any."""
    entries, ends = _directory(file, limits)
    try:
        return entries, _starts(file, entries, ends)
    except (struct.error, OverflowError):
        raise _unreadable("the archive is damaged") from None


def _directory(file: BinaryIO, limits: Limits) -> tuple[list[_Entry], int]:
    """Every entry in the directory's order, and where the directory begins."""
    size = file.seek(0, os.SEEK_END)
    try:
        begins, length, shift = _directory_place(file, size)
        if length > limits.members * _ENTRY_BYTES + _SPARE_BYTES:
            raise _too_large(f"its directory has {in_words(length)}")
        file.seek(begins)
        return _entries(file.read(length), shift), begins
    except (struct.error, OverflowError):
        raise _unreadable("the archive is damaged") from None


def _directory_place(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Where the directory is, its length, and how far the archive begins after where its offsets count from."""
    tail_at = max(0, size - _END_RECORD.size - _LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read(size - tail_at)
    at = _end_of_archive(tail)
    if at is None:
        raise _unreadable("the archive has no end; it may be cut off")
    _, disk, first_disk, _, entries, length, offset, _ = _END_RECORD.unpack_from(tail, at)
    ends = tail_at + at
    if _FULL16 in (disk, first_disk, entries) or _FULL32 in (length, offset):
        found = _zip64_end(file, ends)
        if found is not None:
            ends, disk, first_disk, length, offset = found
    if disk or first_disk:
        raise _unreadable("the archive is one of several parts; send it in one")
    begins = ends - length
    if begins < 0 or begins < offset:
        raise _unreadable("the archive is damaged: its directory is not where it says")
    return begins, length, begins - offset


def _end_of_archive(tail: bytes) -> int | None:
    """Where the last record begins whose comment ends where the file does; else the last one that fits into it."""
    fits, at = None, tail.rfind(_END)
    while at >= 0:
        if at + _END_RECORD.size <= len(tail):
            ends = at + _END_RECORD.size + _END_RECORD.unpack_from(tail, at)[7]
            if ends == len(tail):
                return at
            if ends < len(tail) and fits is None:
                fits = at
        at = tail.rfind(_END, 0, at + len(_END) - 1)
    return fits


def _zip64_end(file: BinaryIO, end: int) -> tuple[int, int, int, int, int] | None:
    """Where the larger end record is, if there is one, and what it says: disks, length and offset of the directory."""
    at = end - _LOCATOR_RECORD.size
    if at < _END64_RECORD.size:
        return None
    file.seek(at)
    if (signature := file.read(4)) != _LOCATOR:
        return None
    at -= _END64_RECORD.size
    file.seek(at)
    signature, _, _, _, disk, first_disk, _, _, length, offset = _END64_RECORD.unpack(file.read(_END64_RECORD.size))
    if signature != _END64:
        raise _unreadable("the archive is damaged: its end is not where it says")
    return at, disk, first_disk, length, offset


def _entries(directory: bytes, shift: int) -> list[_Entry]:
    entries, at = list[_Entry](), 0
    while at < len(directory):
        fields = _CENTRAL_HEADER.unpack_from(directory, at)
        signature, _, _, flags, method, _, _, crc, packed, size = fields[:10]
        name_length, extra_length, comment_length, disk, _, mode, offset = fields[10:]
        if signature != _CENTRAL:
            raise _unreadable("the archive is damaged: its directory cannot be read")
        at += _CENTRAL_HEADER.size
        raw = directory[at : at + name_length]
        extra = directory[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length + comment_length
        if at > len(directory) or disk not in (0, _FULL16):
            raise _unreadable("the archive is damaged: its directory cannot be read")
        size, packed, offset = _real_sizes(extra, size, packed, offset)
        name = _decoded(raw, flags, extra)
        if "\0" in name:
            raise _unreadable("a name in the archive has a NUL character")
        entries.append(
            _Entry(len(entries), raw, name, flags, method, crc, packed, size, mode, offset + shift),
        )
    return entries


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length


def _real_sizes(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Those of the three that did not fit where they belong, from the field that was made for them."""
    if _FULL32 not in (size, packed, offset):
        return size, packed, offset
    for kind, content in _extras(extra):
        if kind == _ZIP64_EXTRA:
            values = iter(struct.unpack_from(f"<{len(content) // 8}Q", content))
            try:
                found = [next(values) if each == _FULL32 else each for each in (size, packed, offset)]
            except StopIteration:
                break
            return found[0], found[1], found[2]
    return size, packed, offset


def _decoded(raw: bytes, flags: int, extra: bytes) -> str:
    """A name as its writer meant it: UTF-8 where that is said or it is valid as such, else the IBM PC's own."""
    for kind, content in _extras(extra):
        if kind == _UNICODE_NAME_EXTRA and len(content) > 5 and content[:1] == b"\1":
            # It is of another name than this if somebody renamed the entry without knowing of it.
            if struct.unpack_from("<I", content, 1)[0] == zlib.crc32(raw):
                raw, flags = content[5:], flags | _UTF8
            break
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", errors="replace") if flags & _UTF8 else raw.decode("cp437")


def _starts(file: BinaryIO, entries: Sequence[_Entry], ends: int) -> list[int]:
    """Where each entry's packed bytes begin; refuses entries that share bytes, or leave the archive."""
    starts = [0] * len(entries)
    last = 0
    for entry in sorted(entries, key=lambda each: each.offset):
        if entry.offset < last:
            raise _unreadable("the archive is made to deceive: files in it share their bytes")
        file.seek(entry.offset)
        header = file.read(_LOCAL_HEADER.size)
        signature, _, flags, _, _, _, _, _, _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        name = file.read(name_length)
        # Of a directory that is masked the names are as well.
        if signature != _LOCAL or (name != entry.raw_name and not flags & _MASKED):
            raise _unreadable("the archive is damaged: its directory names files that are not there")
        starts[entry.index] = entry.offset + _LOCAL_HEADER.size + name_length + extra_length
        last = starts[entry.index] + entry.packed
        if last > ends:
            raise _unreadable("the archive is damaged: a file in it goes beyond its end")
    return starts


# --- what is a member -----------------------------------------------------------------------------------------------


def _is_member(entry: _Entry) -> bool:
    *folders, name = entry.segments
    if not entry.is_file or not name.strip() or is_unfinished(name):
        return False
    return name.casefold() not in _LITTER_NAMES and not any(folder.casefold() in _LITTER for folder in folders)


def _refuse_locked(entry: _Entry) -> None:
    if entry.flags & _ENCRYPTED or entry.method == _AES:
        raise UnreadableFile("encrypted_archive", notice.message("encrypted_archive"))


def _refuse_unknown(entry: _Entry) -> None:
    if entry.method not in _UNPACKERS:
        called = _METHOD_NAMES.get(entry.method, f"method {entry.method}")
        raise _unreadable(f"the archive is packed by {called}, which is not read; pack it by Deflate, as zip files are")


def _shown(name: str, taken: set[str]) -> str:
    """A name that a client can list and nobody else has: the second of one name is called `customers_2.csv`."""
    shown = "".join(char if char.isprintable() and char not in "/\\" else "_" for char in name)
    stem, dot, ending = shown.partition(".")
    number = 1
    while shown.casefold() in taken:
        number += 1
        shown = f"{stem}_{number}{dot}{ending}"
    return shown


# --- unpacking ------------------------------------------------------------------------------------------------------


class _Unpacker(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Inflater:
    """zlib's decompressor with the manners of the other two."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))


def _unlzma(file: BinaryIO, left: int) -> tuple[_Unpacker, int]:
    """LZMA after the header that only zips have (APPNOTE 5.8.8); returns how many packed bytes follow it."""
    head = file.read(min(9, left))
    if len(head) < 9 or struct.unpack_from("<H", head, 2)[0] != 5:
        raise lzma.LZMAError("no header")
    kind, dictionary = head[4], struct.unpack_from("<I", head, 5)[0]
    lc, lp, pb = kind % 9, kind // 9 % 5, kind // 45
    if dictionary > _LARGEST_DICTIONARY:
        raise _too_large(f"a file in it needs {in_words(dictionary)} of memory to be unpacked")
    words = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": max(dictionary, 4096)}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[words]), left - len(head)


_UNPACKERS: dict[int, Callable[[BinaryIO, int], tuple[_Unpacker, int]] | None] = {
    _STORED: None,
    _DEFLATED: lambda _, left: (_Inflater(), left),
    _BZIP2: lambda _, left: (bz2.BZ2Decompressor(), left),
    _LZMA: _unlzma,
}


def _unpacked(file: BinaryIO, member: Member) -> Iterator[bytes]:
    file.seek(member.start)
    make = _UNPACKERS[member.method]
    if make is None or not member.packed:
        yield from _blocks(file, member.packed, member)
        return
    try:
        unpacker, left = make(file, member.packed)
        for block in _blocks(file, left, member):
            if unpacker.eof:
                raise _unreadable(_of(member, "is damaged: there are bytes after its end"))
            yield from _all_of(unpacker, block)
        # Such an end is optional in LZMA, as the size is known; a missing rest shows by the size.
        if (not unpacker.eof and member.method != _LZMA) or unpacker.unused_data:
            raise _unreadable(_of(member, "is damaged: its end is not where the archive says"))
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _unreadable(_of(member, "is damaged and cannot be unpacked")) from None


def _all_of(unpacker: _Unpacker, block: bytes) -> Iterator[bytes]:
    """Everything that comes of a block, never more than a chunk at a time."""
    while found := unpacker.decompress(block, _CHUNK):
        yield found
        # Even without input there may be more to come.
        block = b""
        if unpacker.eof:
            return


def _blocks(file: BinaryIO, length: int, member: Member) -> Iterator[bytes]:
    while length:
        block = file.read(min(length, _CHUNK))
        if not block:
            raise _unreadable(_of(member, "is cut off"))
        length -= len(block)
        yield block


def _of(member: Member, said: str) -> str:
    return f"'{member.name[:100]}' in it {said}"


def _unreadable(said: str) -> UnreadableFile:
    return UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=said))


def _too_large(said: str) -> UnreadableFile:
    return UnreadableFile("too_large", notice.message("too_large", expected=said))
