"""A real S3 and SQS server over HTTP (moto's), and a bucket of one's own in it."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

#: What S3 inboxes of tests name; the server takes any key.
KEY_VARIABLE, SECRET_VARIABLE = "TEST_S3_KEY", "TEST_S3_SECRET"
CREDENTIALS = {KEY_VARIABLE: "testing", SECRET_VARIABLE: "testing"}

_numbers = itertools.count(1)


class S3Server:
    """moto's server in a thread of this process, on a free port."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.host, self.port = self._server.get_host_and_port()
        self._clients: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def stop(self) -> None:
        self._server.stop()

    def client(self, service: str = "s3") -> Any:
        """A client as anybody's, not as ours."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="customer",
            aws_secret_access_key="customer",
            config=Config(s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> Bucket:
        return Bucket(self, f"exchange-{os.getpid()}-{next(_numbers)}")

    def new_queue(self) -> Queue:
        return Queue(self, f"events-{os.getpid()}-{next(_numbers)}")


class Bucket:
    """A new bucket, as the customer sees it."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.server = server
        self.name = name
        self.client = server.client()
        self.client.create_bucket(Bucket=name)

    @property
    def backend(self) -> Any:
        """What the server itself holds, for what no client can do."""
        return get_backend("s3")["123456789012"]["aws"].buckets[self.name]

    def put(self, key: str, content: str | bytes = b"", **more: Any) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.client.put_object(Bucket=self.name, Key=key, Body=body, **more)

    def put_in_parts(self, key: str, *parts: bytes, **more: Any) -> None:
        """Upload parts; all but the last must have 5 MiB."""
        upload = self.client.create_multipart_upload(Bucket=self.name, Key=key, **more)["UploadId"]
        of = {"Bucket": self.name, "Key": key, "UploadId": upload}
        done = [
            {"PartNumber": number, "ETag": self.client.upload_part(**of, PartNumber=number, Body=part)["ETag"]}
            for number, part in enumerate(parts, 1)
        ]
        self.client.complete_multipart_upload(**of, MultipartUpload={"Parts": done})

    def get(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def listed(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def age(self, key: str, seconds: int = 60) -> None:
        """Make an object older than it is, instead of waiting."""
        self.backend.keys[key].last_modified -= timedelta(seconds=seconds)

    def tags(self, key: str) -> dict[str, str]:
        found = self.client.get_object_tagging(Bucket=self.name, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def keep_versions(self) -> None:
        self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})


class Queue:
    """A new SQS queue whose messages come back at once when they are not deleted."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.client = server.client("sqs")
        self.url: str = self.client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "0"})["QueueUrl"]

    @property
    def arn(self) -> str:
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        arn: str = answer["Attributes"]["QueueArn"]
        return arn

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def __len__(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(answer[name]) for name in names)


@contextmanager
def running_server() -> Iterator[S3Server]:
    server = S3Server()
    try:
        yield server
    finally:
        server.stop()
