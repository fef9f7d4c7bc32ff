"""Whether bytes that were received are those that were stored, as far as the server's headers can tell.

An ETag is the MD5 of an object that was put whole, and of the MD5s of its parts, with `-N` behind it, of one that was
put in parts, unless the server encrypts with a key of its own (SSE-KMS, SSE-C) or does it otherwise. A checksum header
is of the whole object or, as `-N` or its type says, of the parts' checksums. See "Checking object integrity" in
Amazon's S3 user guide.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping
from enum import Enum
from typing import Any

_MD5 = re.compile(r"[0-9a-f]{32}")
_PARTS_MD5 = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")
_CHECKSUM = "x-amz-checksum-"


class Proof(Enum):
    """What the headers say of the bytes."""

    #: A digest of them is right.
    RIGHT = "right"
    #: There is no digest that can be told, only their number.
    SIZE = "size"
    #: What looks like their digest is another one, but need not be a digest.
    DOUBTFUL = "doubtful"
    #: The server's own checksum of them is another one.
    WRONG = "wrong"


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, chunk: bytes) -> None:
        self._value = zlib.crc32(chunk, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _PartsMd5:
    """MD5 of the MD5s of parts of equal size, the last one excepted."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._room = part_bytes
        self._part = _md5()
        self._whole = _md5()
        self._parts = 0

    def update(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            piece, view = view[: self._room], view[self._room :]
            self._part.update(piece)
            self._room -= len(piece)
            if not self._room:
                self._end_part()

    def etag(self) -> str:
        if self._room < self._part_bytes:
            self._end_part()
        return f"{self._whole.hexdigest()}-{self._parts}"

    def _end_part(self) -> None:
        self._whole.update(self._part.digest())
        self._part, self._room, self._parts = _md5(), self._part_bytes, self._parts + 1


#: Those of the standard library. It has no CRC32C nor CRC64NVME; beside those an ETag can nearly always be told.
_ALGORITHMS: dict[str, Any] = {
    "sha256": hashlib.sha256,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "crc32": _Crc32,
}


class Digests:
    """Takes an object's bytes as they come. `headers` are those of the first answer, in small letters."""

    def __init__(self, etag: str, headers: Mapping[str, str], part_bytes: int | None) -> None:
        self._sha256 = hashlib.sha256()
        self._etag = etag.strip('"').lower()
        self._checksums: list[tuple[str, Any]] = []
        self._whole: Any = None
        self._parts: _PartsMd5 | None = None
        in_parts = "-" in self._etag
        kind = headers.get(f"{_CHECKSUM}type", "").upper() or ("?" if in_parts else "FULL_OBJECT")
        for name, algorithm in _ALGORITHMS.items():
            said = headers.get(f"{_CHECKSUM}{name}", "")
            if said and "-" not in said and kind == "FULL_OBJECT":
                self._checksums.append((said, algorithm()))
        if not _has_own_key(headers):
            if _MD5.fullmatch(self._etag):
                self._whole = _md5()
            elif part_bytes and _PARTS_MD5.fullmatch(self._etag):
                self._parts = _PartsMd5(part_bytes)

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._sha256.update(chunk)
        for digest in (self._whole, self._parts, *(checksum for _, checksum in self._checksums)):
            if digest is not None:
                digest.update(chunk)

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal digits."""
        return self._sha256.hexdigest()

    def proof(self) -> Proof:
        """What can be said of all bytes."""
        if self._checksums:
            right = all(base64.b64encode(checksum.digest()).decode() == said for said, checksum in self._checksums)
            return Proof.RIGHT if right else Proof.WRONG
        if self._whole is not None:
            return Proof.RIGHT if self._whole.hexdigest() == self._etag else Proof.DOUBTFUL
        if self._parts is not None:
            found = self._parts.etag()
            if found == self._etag:
                return Proof.RIGHT
            # Another number of parts: they are not of equal size, and nothing follows.
            return Proof.DOUBTFUL if found.partition("-")[2] == self._etag.partition("-")[2] else Proof.SIZE
        return Proof.SIZE


def is_in_parts(etag: str) -> bool:
    """Whether an object was put in parts, so that the size of the first one is worth asking for."""
    return _PARTS_MD5.fullmatch(etag.strip('"').lower()) is not None


def _has_own_key(headers: Mapping[str, str]) -> bool:
    encryption = headers.get("x-amz-server-side-encryption", "")
    return "kms" in encryption or "x-amz-server-side-encryption-customer-algorithm" in headers


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)
