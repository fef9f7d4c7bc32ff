"""Notifications from SQS: hints that a key has a new object. Reading them, and listening to one queue.

A message is deleted when all it names has landed or is known. One that nobody can make sense of, or that comes again
and again, is deleted as well: the listing finds whatever it meant.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import structlog

from ingester.watch.s3 import trouble

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = structlog.get_logger()

_CREATED = ("ObjectCreated", "ObjectRestore:Completed")
#: A message that was received so often is given up.
_MOST_RECEIVES = 5
_MESSAGES = 10
_LONGEST_WAIT = 300.0
_DEEPEST = 3

#: Sees to one object; False if it has to be seen to again.
See = Callable[[str, str], bool]


class Unreadable(ValueError):
    """A message that is none of S3's notifications."""


def named(body: str) -> Sequence[tuple[str, str]]:
    """(bucket, key) of the objects that a message says were created; none for a test event or a removal.

    Knows S3's own notifications, also through SNS, and those of EventBridge.
    """
    try:
        return list(_named(json.loads(body), _DEEPEST))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"no notification of S3: {type(error).__name__}") from error


def _named(message: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth and message.get("Type") == "Notification" and "Records" not in message:
        yield from _named(json.loads(message["Message"]), depth - 1)
    elif "detail-type" in message:
        if message["detail-type"] in ("Object Created", "Object Restore Completed"):
            # EventBridge writes keys as they are.
            yield str(message["detail"]["bucket"]["name"]), str(message["detail"]["object"]["key"])
    elif message.get("Event") != "s3:TestEvent":
        for record in message["Records"]:
            if str(record["eventName"]).removeprefix("s3:").startswith(_CREATED):
                yield str(record["s3"]["bucket"]["name"]), unquote_plus(str(record["s3"]["object"]["key"]))


class Listener:
    """Listens to one queue in a thread of its own."""

    def __init__(self, connect: Callable[[], SQSClient], url: str, see: See, wait_seconds: int = 20) -> None:
        self._connect = connect
        self._url = url
        self._see = see
        self._wait_seconds = wait_seconds
        self._stopping = threading.Event()
        # It may wait for the queue when the service ends; nothing is lost with it.
        self._thread = threading.Thread(target=self._run, name="s3-events", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Let it end with the message at hand; does not wait."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Wait for its end, but not for long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        client: SQSClient | None = None
        failures = 0
        while not self._stopping.is_set():
            try:
                client = client or self._connect()
                self.receive(client)
                failures = 0
            except Exception as error:  # noqa: BLE001 -- see below
                # Whatever it was, the listing goes on; this thread must as well. Credentials are read anew.
                client, failures = None, failures + 1
                log.warning("s3_events_wait", queue=self._url, error=trouble.words(error))
                self._stopping.wait(min(2.0**failures, _LONGEST_WAIT))

    def receive(self, client: SQSClient) -> None:
        """Wait for messages and see to what they name."""
        answer = client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_MESSAGES,
            WaitTimeSeconds=self._wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        for message in answer.get("Messages", ()):
            if self._stopping.is_set():
                return
            received = int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))
            if self._is_done(message["Body"], received):
                client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def _is_done(self, body: str, received: int) -> bool:
        try:
            objects = named(body)
        except Unreadable as error:
            log.warning("s3_event_unreadable", queue=self._url, error=str(error), bytes=len(body))
            return True
        # Each is seen to, whatever became of those before it.
        done = [self._seen(bucket, key) for bucket, key in objects]
        if all(done):
            return True
        if received >= _MOST_RECEIVES:
            log.warning("s3_event_given_up", queue=self._url, received=received)
            return True
        return False

    def _seen(self, bucket: str, key: str) -> bool:
        try:
            return self._see(bucket, key)
        except Exception as error:  # noqa: BLE001 -- see below
            # One object's trouble is not the others'; the message comes again.
            log.warning("s3_event_waits", queue=self._url, key=key, error=trouble.words(error))
            return False
