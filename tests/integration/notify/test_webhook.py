"""Webhooks against a real server: signed, on time, never led astray."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingester.domain.errors import TransientError, UsageError
from ingester.notify.guard import AddressRefused, Guard
from ingester.notify.webhook import Gone, Refused, Webhooks
from tests.receiver import Answer, Receiver, leads_to

AT = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
KEY, OLD_KEY = b"new key", b"old key"


def post(receiver: Receiver, guard: Guard, path: str = "/hook?x=1", **settings: Any) -> None:
    webhooks = Webhooks(guard, allow_http=True, **settings)
    webhooks.post(f"http://hooks.example.com:{receiver.port}{path}", "msg_1", AT, b'{"a":1}', (KEY, OLD_KEY))


def signature(key: bytes) -> str:
    content = b'msg_1.1795397400.{"a":1}'
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def test_a_message_is_signed_as_the_standard_says_once_for_each_key(receiver: Receiver, guard: Guard) -> None:
    post(receiver, guard)
    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("POST", "/hook?x=1", b'{"a":1}')
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert request.headers["webhook-signature"] == f"{signature(KEY)} {signature(OLD_KEY)}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"hooks.example.com:{receiver.port}"


def test_the_example_of_the_specification_has_the_signature_that_it_says() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the test vector of its libraries.
    from ingester.notify.secret import key
    from ingester.notify.webhook import signed

    body = b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body, [key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_answer_of_success_will_do(receiver: Receiver, guard: Guard, status: int) -> None:
    receiver.answers = [Answer(status, body=b"")]
    post(receiver, guard)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 500, 503])
def test_any_other_answer_is_no_success_and_no_redirect_is_followed(
    receiver: Receiver, guard: Guard, status: int
) -> None:
    receiver.answers = [Answer(status, {"Location": f"http://hooks.example.com:{receiver.port}/elsewhere"})]
    with pytest.raises(Refused, match=f"answered {status}"):
        post(receiver, guard)
    assert len(receiver.requests) == 1


def test_a_receiver_may_say_when_to_come_again_or_that_it_is_gone(receiver: Receiver, guard: Guard) -> None:
    receiver.answers = [Answer(429, {"Retry-After": "120"}), Answer(503, {"Retry-After": "soon"}), Answer(410)]
    for after in (120, None):
        with pytest.raises(Refused) as caught:
            post(receiver, guard)
        assert caught.value.after == after
    with pytest.raises(Gone):
        post(receiver, guard)


def test_a_long_answer_is_not_read(receiver: Receiver, guard: Guard) -> None:
    receiver.answers = [Answer(body=b"x" * 50_000_000)]
    begun = time.monotonic()
    post(receiver, guard)
    assert time.monotonic() - begun < 5


def test_a_slow_receiver_is_not_waited_for(receiver: Receiver, guard: Guard) -> None:
    receiver.answers = [Answer(wait=2)]
    begun = time.monotonic()
    with pytest.raises(TransientError, match=r"no answer in 0\.3 s"):
        post(receiver, guard, deadline_seconds=0.3)
    assert time.monotonic() - begun < 1.5


def test_an_answer_counts_however_slowly_it_goes_on(receiver: Receiver, guard: Guard) -> None:
    receiver.answers = [Answer(body=b"x" * 100, pause=0.05), Answer(500, body=b"x" * 100, pause=0.05)]
    begun = time.monotonic()
    post(receiver, guard, deadline_seconds=0.3)
    with pytest.raises(Refused):
        post(receiver, guard, deadline_seconds=0.3)
    assert time.monotonic() - begun < 2


def test_a_server_that_says_nothing_at_all_is_not_waited_for(guard: Guard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhooks = Webhooks(guard, deadline_seconds=0.3)
        begun = time.monotonic()
        with pytest.raises(TransientError, match=r"no answer in 0\.3 s"):
            webhooks.post(f"https://hooks.example.com:{silent.getsockname()[1]}/", "msg_1", AT, b"{}", [KEY])
        assert time.monotonic() - begun < 2


def test_headers_that_never_end_are_not_waited_for(guard: Guard) -> None:
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.02):
                try:
                    peer.sendall(b"X-Pad: x\r\n")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        webhooks = Webhooks(guard, allow_http=True, deadline_seconds=0.3)
        begun = time.monotonic()
        with pytest.raises(TransientError, match=r"no answer in 0\.3 s"):
            webhooks.post(f"http://hooks.example.com:{server.getsockname()[1]}/", "msg_1", AT, b"{}", [KEY])
        assert time.monotonic() - begun < 2
        stop.set()
        thread.join()


# --- where it may go -------------------------------------------------------------------------------------------------


def test_this_machine_is_refused_unless_it_is_allowed(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
        webhooks = Webhooks(Guard(), allow_http=True)
        with pytest.raises(AddressRefused, match="not a public address"):
            webhooks.post(f"http://{host}:{receiver.port}/", "msg_1", AT, b"{}", [KEY])
    assert receiver.requests == []


def test_a_name_that_leads_to_the_metadata_service_is_refused() -> None:
    webhooks = Webhooks(Guard(lookup=leads_to("169.254.169.254")))
    with pytest.raises(AddressRefused, match=r"169\.254\.169\.254 is not a public address"):
        webhooks.post("https://innocent.example.com/latest/meta-data", "msg_1", AT, b"{}", [KEY])


def test_a_name_is_looked_up_once_so_that_it_cannot_change_its_mind(receiver: Receiver, guard: Guard) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int, **options: object) -> Any:
        asked.append(host)
        return leads_to("127.0.0.1" if len(asked) == 1 else "10.0.0.1")(host, port, **options)

    post(receiver, Guard(guard.allowed, rebinding))
    assert asked == ["hooks.example.com"]
    assert len(receiver.requests) == 1, "connected to what was checked"
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        post(receiver, Guard(guard.allowed, rebinding))


def test_odd_ports_of_public_addresses_are_refused() -> None:
    webhooks = Webhooks(Guard(lookup=leads_to("1.1.1.1")))
    with pytest.raises(AddressRefused, match="port 25 is none of"):
        webhooks.post("https://innocent.example.com:25/", "msg_1", AT, b"{}", [KEY])


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https://user:s3cret@example.com/",
        "https://example.com/ s3cret",
        "https://example.com/\r\nX-Evil: s3cret",
        "https://example.com:0/",
        "https://example.com:s3cret/",
        "https://exämple.com/s3cret",
        "https://[::1/s3cret",
    ],
)
def test_a_url_that_is_none_or_has_no_tls_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Webhooks(Guard(lookup=leads_to("1.1.1.1"))).post(url, "msg_1", AT, b"{}", [KEY])
    assert "s3cret" not in str(caught.value)


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_the_certificate_must_be_that_of_the_host_and_of_somebody_trusted(
    tls_receiver: Receiver, guard: Guard, certificate: Path
) -> None:
    def send(host: str, ca_file: Path | None) -> None:
        url = f"https://{host}:{tls_receiver.port}/hook"
        Webhooks(guard, ca_file=ca_file).post(url, "msg_1", AT, b"{}", [KEY])

    send("hooks.example.com", certificate)
    assert len(tls_receiver.requests) == 1
    with pytest.raises(TransientError, match=r"certificate of other\.example\.com does not hold"):
        send("other.example.com", certificate)
    with pytest.raises(TransientError, match=r"certificate of hooks\.example\.com does not hold"):
        send("hooks.example.com", None)
    assert len(tls_receiver.requests) == 1
