"""Whether a bucket can be used as its S3 inbox says, step by step, for an operator who sets one up."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingester.domain.errors import ConfigurationError
from ingester.domain.status import AfterImport
from ingester.store.ledger_tables import S3Inbox
from ingester.watch.s3.client import Clients

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_RIGHTS = {
    "credentials": "See --profile, --access-key-env and --credentials-file; the service needs them as well.",
    "list": "It needs s3:ListBucket on the bucket; check its name, --endpoint-url and --region.",
    "read": "It needs s3:GetObject, and kms:Decrypt where objects are encrypted with a key.",
    "write outbox": "It needs s3:PutObject and s3:DeleteObject below the outbox prefix.",
    "write moved": "It needs s3:PutObject below the prefix for moved objects, and s3:DeleteObject for the originals.",
    "queue": "It needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: whether it can be done, what was found, and what to do about it."""

    step: str
    ok: bool
    said: str
    fix: str = ""


def reach(inbox: S3Inbox) -> Iterator[Finding]:
    """Try what the watch will do. Leaves nothing behind; deleting and tagging are not tried on a customer's objects."""
    clients = Clients(read_seconds=10)
    try:
        client = clients.s3(inbox)
    except ConfigurationError as error:
        yield Finding("credentials", ok=False, said=str(error), fix=_RIGHTS["credentials"])
        return
    first: list[str] = []
    listed = _try("list", lambda: _list(client, inbox, first))
    yield listed
    if not listed.ok:
        return
    if first:
        yield _try("read", lambda: _read(client, inbox, first[0]))
    if inbox.outbox_prefix is not None:
        yield _try("write outbox", lambda: _write(client, inbox, inbox.outbox_prefix or ""))
    if inbox.after is AfterImport.MOVE:
        yield _try("write moved", lambda: _write(client, inbox, inbox.move_prefix or ""))
    if inbox.sqs_queue_url is not None:
        yield _try("queue", lambda: _ask_queue(clients, inbox))


def _try(step: str, does: Callable[[], str]) -> Finding:
    from botocore.exceptions import NoCredentialsError

    from ingester.watch.s3 import trouble

    try:
        return Finding(step, ok=True, said=does())
    except (*trouble.S3_ERRORS, ConfigurationError) as error:
        cause = "credentials" if isinstance(error, NoCredentialsError) else step
        return Finding(step, ok=False, said=trouble.words(error), fix=_RIGHTS[cause])


def _list(client: S3Client, inbox: S3Inbox, first: list[str]) -> str:
    from ingester.watch.s3 import listing

    page = listing.page(client, inbox, None, 1000)
    first += [seen.key for seen in page.objects if listing.is_file(inbox, seen.key)]
    return f"{len(first)}{'' if page.last is None else ' or more'} objects to land below '{inbox.prefix}'"


def _read(client: S3Client, inbox: S3Inbox, key: str) -> str:
    client.head_object(Bucket=inbox.bucket, Key=key)
    return f"{key!a} can be read"


def _write(client: S3Client, inbox: S3Inbox, prefix: str) -> str:
    key = f"{prefix}.ingester-check-{secrets.token_hex(4)}"
    client.put_object(Bucket=inbox.bucket, Key=key, Body=b"")
    client.delete_object(Bucket=inbox.bucket, Key=key)
    return f"'{prefix}' can be written"


def _ask_queue(clients: Clients, inbox: S3Inbox) -> str:
    assert inbox.sqs_queue_url is not None
    waiting = clients.sqs(inbox).get_queue_attributes(
        QueueUrl=inbox.sqs_queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return f"{waiting['Attributes']['ApproximateNumberOfMessages']} messages wait"
