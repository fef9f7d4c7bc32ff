"""What becomes of an object once its import has ended: it is kept, tagged, moved or deleted, as its inbox says.

Only the upload that was landed is touched. Every step can be repeated; one that fails is tried again and never lands
anything anew. Objects are looked at just before they are changed, since not every server minds conditions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from ingester import fault
from ingester.domain.status import AfterImport
from ingester.outbox import name as outbox_name
from ingester.store.ledger_tables import S3Inbox, S3Object
from ingester.store.s3_object import Landed, S3Objects
from ingester.watch.s3 import trouble

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger()

_IMPORT_TAG = "ingester-import"
_STATUS_TAG = "ingester-status"
#: S3 copies up to 5 GiB at once, more in parts.
_COPIED_AT_ONCE = 5 * 2**30
_COPIED_PART = 512 * 2**20
_LONGEST_KEY = 1024
#: Objects settled in one turn at most, and failures in a row after which the turn ends.
_BATCH = 200
_FAILURES = 3


def settle(client: S3Client, inbox: S3Inbox, objects: S3Objects, stopping: threading.Event) -> None:
    """See to the objects of an inbox whose imports have ended.

    Raises what keeps several in a row from being settled.
    """
    due = objects.to_settle(inbox, _BATCH)
    if inbox.after is AfterImport.KEEP:
        if due:
            objects.settled(each.object.ref for each in due)
        return
    failed = 0
    for each in due:
        if stopping.is_set():
            return
        try:
            _STEPS[inbox.after](client, inbox, each)
        except trouble.S3_ERRORS as error:
            delay = objects.later(each.object.ref, each.object.tries)
            log.warning(
                "s3_object_not_settled",
                tenant=inbox.tenant,
                inbox=inbox.name,
                key=each.object.key,
                step=inbox.after.value,
                error=trouble.words(error),
                again_after_seconds=delay.total_seconds(),
            )
            failed += 1
            if failed >= _FAILURES:
                raise
        else:
            failed = 0
            fault.point("s3.settled")
            objects.settled([each.object.ref])


def has_our_tag(client: S3Client, inbox: S3Inbox, key: str) -> bool:
    """Whether an object was tagged by us: a new upload under its key would have no tags."""
    return any(tag["Key"] == _IMPORT_TAG for tag in _tags(client, inbox.bucket, key))


def _tag(client: S3Client, inbox: S3Inbox, landed: Landed) -> None:
    found = landed.object
    if not _is_still_there(client, inbox, found):
        return
    ours = {_IMPORT_TAG: landed.job.id, _STATUS_TAG: landed.job.status.value}
    others = [tag for tag in _tags(client, inbox.bucket, found.key) if tag["Key"] not in ours]
    tags = [*others, *({"Key": name, "Value": value} for name, value in ours.items())]
    client.put_object_tagging(Bucket=inbox.bucket, Key=found.key, Tagging={"TagSet": tags}, **_version(found))


def _move(client: S3Client, inbox: S3Inbox, landed: Landed) -> None:
    from boto3.s3.transfer import TransferConfig

    found = landed.object
    if not _is_still_there(client, inbox, found):
        return
    source: Any = {"Bucket": inbox.bucket, "Key": found.key, **_version(found)}
    client.copy(
        source,
        inbox.bucket,
        moved_key(inbox, landed),
        ExtraArgs={"CopySourceIfMatch": found.etag},
        Config=TransferConfig(multipart_threshold=_COPIED_AT_ONCE, multipart_chunksize=_COPIED_PART, use_threads=False),
    )
    fault.point("s3.copied")
    _delete(client, inbox, landed)


def moved_key(inbox: S3Inbox, landed: Landed) -> str:
    """Where an object is moved to: the path below the prefix is kept, and no file takes another's place."""
    path, _, _ = landed.object.key.removeprefix(inbox.prefix).rpartition("/")
    name = outbox_name.stem(landed.drop.name, landed.job.short_id)
    key = f"{inbox.move_prefix}{path}{'/' if path else ''}{name}"
    return key if len(key.encode()) <= _LONGEST_KEY else f"{inbox.move_prefix}{name}"


def _delete(client: S3Client, inbox: S3Inbox, landed: Landed) -> None:
    found = landed.object
    if not _is_still_there(client, inbox, found):
        return
    # Never by version: what an earlier upload left beneath it would come to light, and be landed.
    try:
        client.delete_object(Bucket=inbox.bucket, Key=found.key, IfMatch=found.etag)
    except trouble.S3_ERRORS as error:
        if trouble.is_unknown_to_server(error):
            client.delete_object(Bucket=inbox.bucket, Key=found.key)
        elif not (trouble.is_gone(error) or trouble.is_replaced(error)):
            raise


_STEPS: dict[AfterImport, Callable[[S3Client, S3Inbox, Landed], None]] = {
    AfterImport.TAG: _tag,
    AfterImport.MOVE: _move,
    AfterImport.DELETE: _delete,
}


def _is_still_there(client: S3Client, inbox: S3Inbox, found: S3Object) -> bool:
    """Whether the key still has the upload that was landed, not another one, even of the same bytes."""
    try:
        head = client.head_object(Bucket=inbox.bucket, Key=found.key)
    except trouble.S3_ERRORS as error:
        if trouble.is_gone(error):
            return False
        raise
    if found.version_id is not None:
        return head.get("VersionId") == found.version_id
    # Headers tell seconds, listings may tell more.
    same_time = int(head["LastModified"].timestamp()) == int(found.last_modified.timestamp())
    return same_time and head["ETag"].strip('"') == found.etag.strip('"')


def _tags(client: S3Client, bucket: str, key: str) -> Sequence[Any]:
    try:
        return client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    except trouble.S3_ERRORS as error:
        if trouble.is_gone(error):
            return ()
        raise


def _version(found: S3Object) -> Any:
    return {} if found.version_id is None else {"VersionId": found.version_id}
