"""Whether headers prove the bytes: ETags that are digests, those that are not, checksums of the whole and of parts."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from ingester.watch.s3.digest import Digests, Proof, is_in_parts

DATA = bytes(range(256)) * 40
OTHER = b"!" + DATA[1:]


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def etag_of_parts(*parts: bytes) -> str:
    return f'"{md5(b"".join(hashlib.md5(part).digest() for part in parts))}-{len(parts)}"'


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def proof(
    etag: str, headers: dict[str, str], data: bytes = DATA, part_bytes: int | None = None, chunk: int = 1000
) -> Proof:
    digests = Digests(etag, headers, part_bytes)
    for start in range(0, len(data), chunk):
        digests.update(data[start : start + chunk])
    assert digests.sha256 == hashlib.sha256(data).hexdigest()
    return digests.proof()


SHA256 = b64(hashlib.sha256(DATA).digest())
CRC32 = b64(zlib.crc32(DATA).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("etag", "headers", "of_these", "of_others"),
    [
        (f'"{md5(DATA)}"', {}, Proof.RIGHT, Proof.DOUBTFUL),
        (f'"{md5(DATA)}"', {"x-amz-server-side-encryption": "AES256"}, Proof.RIGHT, Proof.DOUBTFUL),
        (md5(DATA).upper(), {}, Proof.RIGHT, Proof.DOUBTFUL),
        (f'"{md5(OTHER)}"', {"x-amz-server-side-encryption": "aws:kms"}, Proof.SIZE, Proof.SIZE),
        (f'"{md5(OTHER)}"', {"x-amz-server-side-encryption": "aws:kms:dsse"}, Proof.SIZE, Proof.SIZE),
        ('"-CKicn4fknusCEAE="', {}, Proof.SIZE, Proof.SIZE),
        ('"x"', {"x-amz-checksum-sha256": SHA256}, Proof.RIGHT, Proof.WRONG),
        ('"x"', {"x-amz-checksum-crc32": CRC32}, Proof.RIGHT, Proof.WRONG),
        ('"x"', {"x-amz-checksum-sha1": b64(hashlib.sha1(DATA).digest())}, Proof.RIGHT, Proof.WRONG),
        ('"x"', {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, Proof.SIZE, Proof.SIZE),
        ('"x"', {"x-amz-checksum-sha256": f"{SHA256}-3"}, Proof.SIZE, Proof.SIZE),
        ('"x"', {"x-amz-checksum-sha256": SHA256, "x-amz-checksum-type": "COMPOSITE"}, Proof.SIZE, Proof.SIZE),
        (f'"{md5(b"")}-3"', {"x-amz-checksum-sha256": SHA256}, Proof.SIZE, Proof.SIZE),
        (
            f'"{md5(b"")}-3"',
            {"x-amz-checksum-crc32": CRC32, "x-amz-checksum-type": "FULL_OBJECT"},
            Proof.RIGHT,
            Proof.WRONG,
        ),
    ],
)
def test_what_headers_prove(etag: str, headers: dict[str, str], of_these: Proof, of_others: Proof) -> None:
    assert proof(etag, headers) is of_these
    assert proof(etag, headers, OTHER) is of_others


@pytest.mark.parametrize("chunk", [1, 999, 4096, 10_240, 100_000])
def test_parts_of_equal_size_are_told_whatever_the_chunks(chunk: int) -> None:
    parts = [DATA[start : start + 4096] for start in range(0, len(DATA), 4096)]
    etag = etag_of_parts(*parts)
    assert is_in_parts(etag)
    assert proof(etag, {}, part_bytes=4096, chunk=chunk) is Proof.RIGHT
    assert proof(etag, {}, OTHER, part_bytes=4096, chunk=chunk) is Proof.DOUBTFUL


def test_parts_of_one_full_size_have_no_empty_one_behind_them() -> None:
    assert proof(etag_of_parts(DATA), {}, part_bytes=len(DATA)) is Proof.RIGHT
    assert proof(etag_of_parts(DATA[:5120], DATA[5120:]), {}, part_bytes=5120) is Proof.RIGHT


def test_parts_of_unequal_size_prove_nothing() -> None:
    assert proof(etag_of_parts(DATA[:5000], DATA[5000:]), {}, part_bytes=5000) is Proof.SIZE
    # Three parts either way: it only looks as if they were of equal size.
    assert proof(etag_of_parts(DATA[:5000], DATA[5000:5001], DATA[5001:]), {}, part_bytes=5000) is Proof.DOUBTFUL
    assert proof(etag_of_parts(DATA[:5000], DATA[5000:]), {}) is Proof.SIZE


@pytest.mark.parametrize("etag", ['""', '"abc"', f'"{"a" * 32}"', f'"{"a" * 32}-0"', f'"{"a" * 32}-x"'])
def test_other_etags_are_not_of_parts(etag: str) -> None:
    assert not is_in_parts(etag)
