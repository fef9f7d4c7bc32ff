"""A small HTTP listener for operators: GET and HEAD of a few fixed pages, one request a connection.

It runs in a thread with an event loop of its own, so that it can tell when the service's own loop is stuck. Requests
are small, few at a time, and over within seconds, whatever their clients do.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

import structlog

log = structlog.get_logger()

#: From the connection to the last byte of the answer.
_SECONDS = 15.0
#: Of these, for the request.
_REQUEST_SECONDS = 5.0
_REQUEST_BYTES = 8192
_CONNECTIONS = 32
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """What a page answers."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK


#: Gets the request's Accept header; may take a few seconds, since it runs in a thread.
Page = Callable[[str], Reply]


class Listener:
    """Serves `pages` by path."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        self._host = host
        self._port = port
        self._pages = pages
        self._clients: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._stopping = asyncio.Event()

    def start(self) -> int:
        """Listen, and return the port. OSError if it is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.create_server((self._host, self._port), family=family)
        # Plain asyncio: uvloop is for throughput, and would take memory again.
        self._loop = asyncio.SelectorEventLoop()
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def stop(self) -> None:
        """Stop listening; whoever is still connected is cut off."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="http"))
        server = await asyncio.start_server(self._connected, sock=self._socket, limit=_REQUEST_BYTES)
        await self._stopping.wait()
        # Accept no more and let what is being accepted settle before closing: a closed server would leak it.
        self._loop.remove_reader(self._socket)
        for client in self._clients:
            client.cancel()
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(left)
        server.close()
        await asyncio.sleep(0)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopping.is_set() or len(self._clients) >= _CONNECTIONS:
            writer.transport.abort()
            return
        client = asyncio.create_task(self._serve_client(reader, writer))
        self._clients.add(client)

        def gone(_: asyncio.Task[None]) -> None:
            self._clients.discard(client)
            writer.transport.abort()

        client.add_done_callback(gone)

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                writer.write(await self._answer(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # it went away, or it was too slow: nobody to tell
        except Exception:
            log.exception("http_request_failed")

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _encoded(_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        except asyncio.IncompleteReadError:
            return b""
        line, *headers = request.decode("latin-1").split("\r\n")
        method, _, rest = line.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return _encoded(_plain(HTTPStatus.BAD_REQUEST))
        if method not in ("GET", "HEAD"):
            return _encoded(_plain(HTTPStatus.METHOD_NOT_ALLOWED))
        page = self._pages.get(target.partition("?")[0])
        if page is None:
            return _encoded(_plain(HTTPStatus.NOT_FOUND))
        accept = ", ".join(
            value.strip() for name, _, value in (h.partition(":") for h in headers) if name.lower() == "accept"
        )
        try:
            reply = await asyncio.to_thread(page, accept)
        except Exception:
            log.exception("http_page_failed", page=target[:100])
            reply = _plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _encoded(reply, with_body=method == "GET")


def _plain(status: HTTPStatus) -> Reply:
    return Reply(f"{status.phrase}\n".encode(), status=status)


def _encoded(reply: Reply, *, with_body: bool = True) -> bytes:
    head = [
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        *(["Allow: GET, HEAD"] if reply.status is HTTPStatus.METHOD_NOT_ALLOWED else []),
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (reply.body if with_body else b"")
