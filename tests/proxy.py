"""A small real HTTP server in front of another one, that breaks what it passes on in the ways that networks do."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    """One request that came by, before anything was done to it."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def query(self) -> str:
        return urlsplit(self.path).query


@dataclass
class Fault:
    """What to do to the next `times` requests that `when` is true of."""

    when: Callable[[Asked], bool]
    times: int = 1
    #: Answer this instead, without asking the server.
    status: int | None = None
    #: Called before the request is passed on.
    before: Callable[[], None] | None = None
    #: Seconds to be silent for, instead of a body or after so many bytes of it.
    silent: float | None = None
    #: Send so many bytes of the body, then end the connection; by a reset where `reset` says so.
    cut_at: int | None = None
    reset: bool = False
    #: Headers of the request that the server does not get to see.
    hides: tuple[str, ...] = ()
    #: What becomes of the body and of the answer's headers.
    body: Callable[[bytes], bytes] | None = None
    answer_headers: dict[str, str | None] = field(default_factory=dict)


class Proxy:
    """Listens on a free port; `faults` are used up in order."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def forget(self) -> None:
        """Pass everything on again, and remember nothing."""
        self.faults, self.asked = [], []

    def break_next(self, when: Callable[[Asked], bool], **how: Any) -> Fault:
        fault = Fault(when, **how)
        self.faults.append(fault)
        return fault

    def of(self, method: str, part: str = "") -> list[Asked]:
        """The requests of a method whose path or query has `part` in it."""
        return [asked for asked in self.asked if asked.method == method and part in asked.path]

    def take(self, asked: Asked) -> Fault | None:
        """Note a request; the fault that befalls it."""
        with self._lock:
            self.asked.append(asked)
            for fault in self.faults:
                if fault.times and fault.when(asked):
                    fault.times -= 1
                    return fault
        return None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def _pass_on(self) -> None:
        try:
            self._pass_on_whole()
        except ConnectionError:
            self.close_connection = True  # the client did not wait

    def _pass_on_whole(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, dict(self.headers))
        fault = self.proxy.take(asked) or Fault(lambda _: True)
        self.close_connection = True
        if fault.before is not None:
            fault.before()
        if fault.status is not None:
            self.send_response(fault.status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            return
        hidden = {"expect", "connection", *(name.lower() for name in fault.hides)}
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in hidden}
        upstream = http.client.HTTPConnection(*self.proxy.target, timeout=30)
        try:
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        if fault.body is not None:
            content = fault.body(content)
        self._answer(answer, content, fault)

    def _answer(self, answer: http.client.HTTPResponse, content: bytes, fault: Fault) -> None:
        changed = {name.lower() for name in fault.answer_headers}
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", *changed}:
                self.send_header(name, value)
        for name, given in fault.answer_headers.items():
            if given is not None:
                self.send_header(name, given)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content if fault.cut_at is None else content[: fault.cut_at])
        self.wfile.flush()
        if fault.silent is not None:
            time.sleep(fault.silent)
        if fault.reset:
            # Closing with lingering switched off sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 -- as http.server calls them
