"""Writing the outbox back into the bucket: the reports about each drop, then the status file that names them.

What is uploaded is what the tenant's own outbox holds, so nothing is told here that is not told there. A status that
was uploaded is remembered; a crash before that uploads the same bytes once more.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from ingester import fault
from ingester.directory import DataDirectory
from ingester.domain.status import Status
from ingester.outbox import name as outbox_name
from ingester.outbox import status
from ingester.store.ledger_tables import S3Inbox
from ingester.store.s3_object import Landed, S3Objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BATCH = 200
_TYPES = {".json": "application/json", ".csv": "text/csv"}


def tell(
    client: S3Client, inbox: S3Inbox, objects: S3Objects, directory: DataDirectory, stopping: threading.Event
) -> None:
    """Upload what has changed about an inbox's drops, in landing order. Raises what keeps it from being uploaded."""
    if inbox.outbox_prefix is None:
        return
    for landed in objects.to_tell(inbox, _BATCH):
        if stopping.is_set():
            return
        content = _content(directory, landed)
        is_now = Status(content["status"])
        if is_now.value == landed.object.told:
            continue  # the ledger is ahead of the outbox: it follows in a moment
        _upload_reports(client, inbox, directory, landed, content)
        fault.point("s3.reports_sent")
        client.put_object(
            Bucket=inbox.bucket,
            Key=inbox.outbox_prefix + outbox_name.status(landed.drop.name, landed.job.short_id),
            Body=status.encode(content),
            ContentType=_TYPES[".json"],
        )
        fault.point("s3.told")
        objects.told(landed.object.ref, is_now)


def _content(directory: DataDirectory, landed: Landed) -> dict[str, Any]:
    """The status file; what the ledger knows of it where the customer has taken it away."""
    path = directory.tenant(landed.job.tenant).outbox / outbox_name.status(landed.drop.name, landed.job.short_id)
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return status.document(landed.job, landed.drop)
    return content


def _upload_reports(
    client: S3Client, inbox: S3Inbox, directory: DataDirectory, landed: Landed, content: dict[str, Any]
) -> None:
    from boto3.s3.transfer import TransferConfig

    outbox = directory.tenant(landed.job.tenant).outbox
    of_members = [name for member in content.get("members", ()) for name in (member.get("files") or {}).values()]
    for name in filter(None, [*(content.get("files") or {}).values(), *of_members]):
        path = outbox / name
        if path.is_file():  # else the customer has taken it already
            client.upload_file(
                str(path),
                inbox.bucket,
                f"{inbox.outbox_prefix}{name}",
                ExtraArgs={"ContentType": _TYPES.get(path.suffix, "application/octet-stream")},
                Config=TransferConfig(use_threads=False),
            )
