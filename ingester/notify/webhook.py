"""Webhooks as the Standard Webhooks specification has them (standardwebhooks.com): signed, timed, never redirected."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ingester.domain.errors import PermanentError, TransientError, UsageError
from ingester.notify.guard import AddressRefused, Guard

#: For the whole request: a receiver that takes longer should answer first and work later.
_DEADLINE_SECONDS = 10.0
#: Of an answer, which nobody reads.
_MOST_BYTES = 16 * 1024
#: Of public addresses; in an allowed network any port will do.
_PORTS = frozenset({80, 443, 8080, 8443})


class Gone(PermanentError):
    """The receiver said that it wants nothing any more (410)."""


class Refused(TransientError):
    """The receiver did not take the message; `after` is when it wants to be asked again, in seconds."""

    def __init__(self, status: int, after: int | None) -> None:
        super().__init__(f"the receiver answered {status}")
        self.after = after


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Sends webhooks by one set of rules about addresses."""

    guard: Guard
    allow_http: bool = False
    ca_file: Path | None = None
    deadline_seconds: float = _DEADLINE_SECONDS

    def post(self, url: str, message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> None:
        """Send one message. Raises Gone, Refused, TransientError or PermanentError unless the answer is 2xx.

        It is connected to an address that the guard has seen, and the certificate must be the host's.
        """
        parts = check(url, allow_http=self.allow_http)
        assert parts.hostname is not None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        pairs = self.guard.addresses(parts.hostname, port)
        if port not in _PORTS and not all(self.guard.is_allowed(address) for _, address in pairs):
            raise AddressRefused(f"port {port} is none of {', '.join(map(str, sorted(_PORTS)))}")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ingester",
            "Connection": "close",
            **signed(message_id, at, body, keys),
        }
        context = self._context() if parts.scheme == "https" else None
        connection = _Pinned(parts.hostname, port, pairs, context, self.deadline_seconds)
        # A receiver that sends a byte now and then would never run into a time-out of the socket's.
        alarm = threading.Timer(self.deadline_seconds, connection.cut)
        alarm.daemon = True
        alarm.start()
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers)
            answer = connection.getresponse()
            status, after = answer.status, answer.headers.get("Retry-After", "")
            if connection.was_cut:  # which looks like the end of the headers
                raise TimeoutError
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer.read(_MOST_BYTES)  # only so that it can end what it says
        except ssl.SSLCertVerificationError as error:
            raise TransientError(f"the certificate of {parts.hostname} does not hold: {error.verify_message}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = connection.was_cut or isinstance(error, TimeoutError)
            why = f"no answer in {self.deadline_seconds:g} s" if late else str(error) or type(error).__name__
            raise TransientError(f"{parts.hostname} cannot be reached: {why}") from None
        finally:
            alarm.cancel()
            connection.close()
        if status == http.HTTPStatus.GONE:
            raise Gone(f"{parts.hostname} answered 410: it wants no more")
        if not 200 <= status < 300:
            raise Refused(status, int(after) if after.isdecimal() and len(after) < 9 else None)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise TransientError(f"notify.ca_file {self.ca_file} cannot be used: {error}") from None
        return context


def check(url: str, *, allow_http: bool) -> SplitResult:
    """The parts of a webhook's URL; UsageError for one that is not sent to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("that is not a URL") from None  # the reason would quote it
    if not parts.hostname or port == 0 or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise UsageError("a webhook's URL is https://HOST/PATH, in ASCII and without blanks")
    if parts.username is not None or parts.password is not None:
        raise UsageError("a webhook's URL has no user and password", fix="Its messages are signed; see --secret-env.")
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_http):
        raise UsageError("a webhook is sent to https:// only", fix="An operator may say notify.allow_http = true.")
    return parts


def signed(message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The headers that let a receiver check who sent this and when; one signature for each key."""
    moment = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), moment.encode(), body))
    digests = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{digest}" for digest in digests),
    }


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were looked up before, under the name of the host."""

    def __init__(
        self, host: str, port: int, pairs: Sequence[tuple[int, str]], context: ssl.SSLContext | None, seconds: float
    ) -> None:
        super().__init__(host, port)
        self._pairs = pairs
        self._context = context
        self._ends = time.monotonic() + seconds
        self.default_port = 443 if context is not None else 80
        self.was_cut = False
        # Its own `sock` is given to the answer as soon as there is one.
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Try one address after the other for as long as there is time."""
        last: OSError | None = None
        for family, address in self._pairs:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(self._left())
                sock.connect((address, self.port))
                if self._context is not None:
                    sock.settimeout(self._left())
                    sock = self._context.wrap_socket(sock, server_hostname=self.host)
                sock.settimeout(self._left())
            except OSError as error:
                sock.close()
                last = error
            else:
                self.sock = self._socket = sock
                return
        raise last or OSError("it has no address")

    def cut(self) -> None:
        """End whatever the connection is waiting for."""
        self.was_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not of the TLS layer, which another thread is in.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            self.was_cut = True
            raise TimeoutError("out of time")
        return left
