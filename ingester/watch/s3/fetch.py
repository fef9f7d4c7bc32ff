"""Fetching one object: the very upload that was seen, resumed where a body broke off, verified, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import structlog
from botocore.exceptions import HTTPClientError, IncompleteReadError

from ingester.domain.errors import TransientError
from ingester.watch.s3 import trouble
from ingester.watch.s3.digest import Digests, Proof, is_in_parts
from ingester.watch.s3.listing import Seen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger()

_CHUNK = 1 << 20
#: Bodies that may break in a row without a byte received in between.
_BREAKS = 4
_FIRST_WAIT = 0.2
_BROKEN_BODY = (HTTPClientError, IncompleteReadError)


class NotThere(TransientError):
    """The upload that was seen is gone, or another one has its key."""


class Stopped(TransientError):
    """The service is stopping."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was written to a file: bytes, SHA-256 in hexadecimal digits, the version where the bucket keeps them."""

    size: int
    sha256: str
    version_id: str | None


def fetch(client: S3Client, bucket: str, seen: Seen, target: Path, stopping: threading.Event) -> Fetched:
    """Write an object to `target`.

    Raises NotThere, Stopped, TransientError for bytes that are not what was stored, or botocore's own errors.
    """
    doubted: str | None = None
    while True:
        with target.open("wb") as file:
            download = _Download(client, bucket, seen, file, stopping)
            download.run()
        proof, digest = download.digests.proof(), download.digests.sha256
        if proof is Proof.DOUBTFUL and doubted == digest:
            # The same bytes twice, over two connections: then it is the ETag that is no digest of them.
            log.warning("s3_etag_is_no_digest", bucket=bucket, key=seen.key, etag=seen.etag)
            proof = Proof.SIZE
        if proof in (Proof.RIGHT, Proof.SIZE):
            return Fetched(seen.size, digest, download.version_id)
        if doubted is not None:
            raise TransientError(f"the bytes of {seen.key!a} that arrive are not those that were stored")
        log.warning("s3_object_read_again", bucket=bucket, key=seen.key, proof=proof.value)
        doubted = digest


class _Download:
    """One whole reading of an object, over as many connections as it takes."""

    digests: Digests

    def __init__(self, client: S3Client, bucket: str, seen: Seen, file: BinaryIO, stopping: threading.Event) -> None:
        self._client = client
        self._bucket = bucket
        self._seen = seen
        self._file = file
        self._stopping = stopping
        self._received = 0
        self._begun = False
        self.version_id: str | None = None

    def run(self) -> None:
        breaks = 0
        while True:
            before = self._received
            try:
                self._read()
            except _BROKEN_BODY as error:
                breaks = 1 if self._received > before else breaks + 1
                if breaks > _BREAKS:
                    raise
                log.info("s3_body_broke", key=self._seen.key, received=self._received, error=trouble.words(error))
                if self._stopping.wait(_FIRST_WAIT * 2**breaks):
                    raise Stopped from error
            else:
                return

    def _read(self) -> None:
        """Receive what is missing; a body that ends early raises one of botocore's errors."""
        for chunk in self._chunks():
            if self._stopping.is_set():
                raise Stopped
            self._file.write(chunk)
            self.digests.update(chunk)
            self._received += len(chunk)
        if self._received < self._seen.size:
            raise IncompleteReadError(actual_bytes=self._received, expected_bytes=self._seen.size)
        if self._received > self._seen.size:
            raise NotThere(f"{self._seen.key!a} is longer than it was listed")

    def _chunks(self) -> Iterator[bytes]:
        if self._begun and self._received == self._seen.size:
            return
        answer = self._get()
        if not self._begun:
            self._begin(answer)
        body = answer["Body"]
        try:
            while chunk := body.read(_CHUNK):
                yield chunk
        finally:
            body.close()

    def _get(self) -> Any:
        asked: dict[str, Any] = {"Bucket": self._bucket, "Key": self._seen.key, "IfMatch": self._seen.etag}
        if self.version_id is not None:
            asked["VersionId"] = self.version_id
        if self._received:
            asked["Range"] = f"bytes={self._received}-"
        try:
            answer = self._client.get_object(**asked)
        except trouble.S3_ERRORS as error:
            if trouble.is_gone(error) or trouble.is_replaced(error):
                raise NotThere(f"{self._seen.key!a} is not what it was when it was seen") from error
            raise
        # Not every server minds If-Match.
        if answer["ETag"].strip('"') != self._seen.etag.strip('"'):
            answer["Body"].close()
            raise NotThere(f"{self._seen.key!a} was replaced")
        if self._received and not answer.get("ContentRange", "").startswith(f"bytes {self._received}-"):
            # Nor Range: begin again.
            self._file.seek(0)
            self._file.truncate()
            self._received, self._begun = 0, False
        return answer

    def _begin(self, answer: Any) -> None:
        self._begun = True
        version = answer.get("VersionId")
        self.version_id = None if version in (None, "null") else version
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        self.digests = Digests(self._seen.etag, headers, self._first_part_bytes())

    def _first_part_bytes(self) -> int | None:
        """The size of the first of several parts; None where the server does not tell."""
        if not is_in_parts(self._seen.etag):
            return None
        try:
            # Without a condition: some servers compare it with the part's ETag. A wrong size is only a vain attempt.
            head = self._client.head_object(Bucket=self._bucket, Key=self._seen.key, PartNumber=1)
        except trouble.S3_ERRORS:
            return None
        return head["ContentLength"] or None
