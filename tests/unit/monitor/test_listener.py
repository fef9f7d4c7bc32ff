"""The operators' listener: plain HTTP, and no client can keep it busy or make it talk."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from ingester.monitor import listener
from ingester.monitor.listener import Listener, Reply
from tests.scrape import get


def broken(_accept: str) -> Reply:
    raise ValueError("a secret")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(listener, "_REQUEST_SECONDS", 0.3)
    pages = {
        "/page": lambda accept: Reply(f"accepts {accept}".encode()),
        "/large": lambda _: Reply(b"x" * 50_000_000),
        "/broken": broken,
    }
    running = Listener("127.0.0.1", 0, pages)
    yield running.start()
    running.stop()


def talk(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_page_is_served_with_nothing_about_the_server(port: int) -> None:
    status, headers, body = get(port, "/page?x=1", Accept="text/plain")
    assert (status, body) == (200, b"accepts text/plain")
    assert set(headers) == {"Content-Type", "Content-Length", "Cache-Control", "X-Content-Type-Options", "Connection"}


def test_head_has_no_body(port: int) -> None:
    status, headers, body = get(port, "/page", method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len("accepts ")))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_reading_is_allowed(port: int, method: str) -> None:
    status, headers, _ = get(port, "/page", method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/pages", "/page/", "//page", "/../page", "/%70age"])
def test_other_paths_are_not_there(port: int, path: str) -> None:
    assert get(port, path)[0] == 404


def test_a_page_that_fails_tells_nothing(port: int) -> None:
    status, _, body = get(port, "/broken")
    assert (status, body) == (500, b"Internal Server Error\n")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"rubbish\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /page HTTP/2.0\r\n\r\n", b"HTTP/1.1 400 "),
        (b"\x16\x03\x01\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /page HTTP/1.1\r\nA: " + b"x" * 20_000 + b"\r\n\r\n", b"HTTP/1.1 431 "),
    ],
)
def test_what_is_no_request_is_refused(port: int, sent: bytes, answer: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(sent)
        assert client.recv(len(answer)) == answer


def test_a_client_that_dribbles_is_cut_off(port: int) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /page HTTP/1.1\r\n")
        with pytest.raises(OSError):  # noqa: PT012 -- reset or a broken pipe, whichever comes first
            while time.monotonic() < began + 5:
                client.sendall(b"X-A: b\r\n")
                time.sleep(0.05)
    assert time.monotonic() - began < 2


def test_a_client_that_does_not_read_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_SECONDS", 0.6)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        time.sleep(1)
        # It gets what was on the way.
        assert sum(map(len, iter(lambda: client.recv(1 << 20), b""))) < 50_000_000


def test_idle_connections_beyond_the_bound_are_closed_and_others_served_again(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(100)]
    try:
        time.sleep(0.8)
        assert get(port, "/page")[0] == 200
    finally:
        for client in idle:
            client.close()


def test_a_port_in_use_is_an_error_at_once(port: int) -> None:
    with pytest.raises(OSError, match="in use"):
        Listener("127.0.0.1", port, {}).start()


def test_stopping_does_not_wait_for_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Listener("127.0.0.1", 0, {})
    port = running.start()
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        began = time.monotonic()
        running.stop()
        assert time.monotonic() - began < 1


def test_a_request_in_pieces_is_one(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        for part in (b"GET /pa", b"ge HTTP/1.1\r", b"\nAccept: a\r\nAccept: b\r\n\r", b"\n"):
            client.sendall(part)
            time.sleep(0.02)
        assert b"accepts a, b" in client.recv(65536)
