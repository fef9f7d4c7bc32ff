"""Connections to S3 and SQS, shared by inboxes with the same server and credentials. Loads boto3 when asked for one.

Secrets are read from where an inbox says they are, when a client is made; they are kept nowhere else and never logged.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ingester.domain.errors import ConfigurationError
from ingester.store.ledger_tables import S3Inbox

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_CONNECT_SECONDS = 10
_READ_SECONDS = 30
#: Of one request, by botocore, for what S3 calls retryable; bodies that break are our own affair.
_ATTEMPTS = 3
_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Access:
    """A server and where the credentials for it are."""

    endpoint_url: str | None
    region: str | None
    addressing: str
    profile: str | None
    access_key_variable: str | None
    secret_key_variable: str | None
    credentials_file: str | None

    @classmethod
    def of(cls, inbox: S3Inbox) -> Access:
        """How an inbox is reached."""
        return cls(
            inbox.endpoint_url,
            inbox.region,
            inbox.addressing,
            inbox.profile,
            inbox.access_key_variable,
            inbox.secret_key_variable,
            inbox.credentials_file,
        )


class Clients:
    """Clients by access; they may be used by several threads at once."""

    def __init__(self, read_seconds: float = _READ_SECONDS) -> None:
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._s3: dict[Access, S3Client] = {}

    def s3(self, inbox: S3Inbox) -> S3Client:
        """A client for an inbox's bucket; ConfigurationError where its credentials are not where they should be."""
        access = Access.of(inbox)
        with self._lock:
            if access not in self._s3:
                self._s3[access] = self._open_s3(access)
            return self._s3[access]

    def forget(self, inbox: S3Inbox) -> None:
        """Read an inbox's credentials anew next time: they may have been replaced."""
        with self._lock:
            self._s3.pop(Access.of(inbox), None)

    def sqs(self, inbox: S3Inbox) -> SQSClient:
        """A new client for an inbox's queue."""
        assert inbox.sqs_queue_url is not None
        address = urlsplit(inbox.sqs_queue_url)
        host = (address.hostname or "").split(".")
        region = inbox.region or (host[1] if len(host) > 2 and host[0] == "sqs" else _DEFAULT_REGION)
        with self._lock:  # sessions are not safe while they are made
            client: SQSClient = _session(Access.of(inbox)).client(
                "sqs",
                region_name=region,
                endpoint_url=f"{address.scheme}://{address.netloc}",
                # A receive waits on the server for up to twenty seconds.
                config=self._config(read_seconds=self._read_seconds + 20),
            )
            return client

    def _open_s3(self, access: Access) -> S3Client:
        client: S3Client = _session(access).client(
            "s3",
            region_name=access.region,
            endpoint_url=access.endpoint_url,
            config=self._config(
                s3={"addressing_style": access.addressing},
                # Many servers know nothing of trailing checksums; what they send is verified in `digest.py`.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        # Asked for by hand: botocore would refuse objects whose checksum is one of their parts' checksums.
        client.meta.events.register("before-call.s3.GetObject", _ask_for_checksum)
        return client

    def _config(self, read_seconds: float | None = None, **more: Any) -> Any:
        from botocore.config import Config

        return Config(
            connect_timeout=min(_CONNECT_SECONDS, self._read_seconds),
            read_timeout=read_seconds or self._read_seconds,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            **more,
        )


def _session(access: Access) -> Any:
    """A session of boto3 with an inbox's own credentials, else with those of boto3's own chain."""
    import boto3
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    if access.access_key_variable and access.secret_key_variable:
        return boto3.Session(
            aws_access_key_id=_from_environment(access.access_key_variable),
            aws_secret_access_key=_from_environment(access.secret_key_variable),
        )
    core = botocore.session.Session(profile=access.profile)
    if access.credentials_file:
        if not os.access(access.credentials_file, os.R_OK):
            raise ConfigurationError(f"the credentials file {access.credentials_file} cannot be read")
        core.set_config_variable("credentials_file", access.credentials_file)
    try:
        return boto3.Session(botocore_session=core)
    except ProfileNotFound as error:
        raise ConfigurationError(str(error)) from error


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"the environment variable {name} is not set", fix="Set it for the service.")
    return value


def _ask_for_checksum(params: dict[str, Any], **_: object) -> None:
    params["headers"]["x-amz-checksum-mode"] = "ENABLED"
