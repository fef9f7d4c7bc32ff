"""What is in a bucket: a page of keys after another, or one key. Which of them are files, and which upload each is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ingester.domain.name import is_unfinished
from ingester.store.ledger_tables import S3Inbox

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as a listing shows it."""

    key: str
    #: As the server writes it, with its quotes.
    etag: str
    size: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects in the order of their keys; `last` is where the next page begins, None at the end."""

    objects: tuple[Seen, ...]
    last: str | None


def page(client: S3Client, inbox: S3Inbox, after: str | None, size: int) -> Page:
    """At most `size` objects of an inbox whose keys come after `after`."""
    start: dict[str, Any] = {"StartAfter": after} if after else {}
    found = client.list_objects_v2(Bucket=inbox.bucket, Prefix=inbox.prefix, MaxKeys=size, **start)
    objects = tuple(_seen(entry) for entry in found.get("Contents", ()))
    # A page that is said to be cut but has nothing in it leads nowhere.
    return Page(objects, objects[-1].key if found.get("IsTruncated") and objects else None)


def one(client: S3Client, inbox: S3Inbox, key: str) -> Seen | None:
    """One object as a page would show it; None if it is not there."""
    # A key comes before all that it is the beginning of.
    found = client.list_objects_v2(Bucket=inbox.bucket, Prefix=key, MaxKeys=1)
    return next((seen for entry in found.get("Contents", ()) if (seen := _seen(entry)).key == key), None)


def is_file(inbox: S3Inbox, key: str) -> bool:
    """Whether a key is a finished file: no mark of a folder, not below a hidden one, not still being written."""
    *folders, name = key.removeprefix(inbox.prefix).split("/")
    if "\x00" in key:
        return False  # no database could record it, and no other file system has such a name
    return bool(name) and not is_unfinished(name) and not any(map(_is_hidden, folders))


def _is_hidden(folder: str) -> bool:
    # `.` and `..` are no folders in a bucket: whoever wrote them meant something else, and the name decides.
    return folder.startswith(".") and bool(folder.strip("."))


def ref(inbox: S3Inbox, seen: Seen) -> str:
    """What tells this upload from every other: of another key, of other bytes, or of the same bytes once more."""
    identity = (
        *(inbox.tenant, inbox.endpoint_url or "", inbox.bucket),
        *(seen.key, seen.etag.strip('"'), seen.last_modified.isoformat()),
    )
    return "s3:" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _seen(entry: Any) -> Seen:
    return Seen(entry["Key"], entry["ETag"], entry["Size"], entry["LastModified"])
