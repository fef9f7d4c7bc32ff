"""The listener: puts the parts together, accepts connections, and shuts down without losing a landing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncssh

from . import algorithm, handler
from .connection import Connection
from .context import Context
from .event import Audit, Event, log
from .limits import Limits
from .owner import Owner
from .spool import Spool
from .startup import Startups

_CLOSING = 5.0
# Connections that may wait to be accepted, as many as come while a service restarts; the kernel has a bound of its own.
_BACKLOG = 4096


class Server:
    """An SFTP server that hands complete files to its owner and keeps nothing else.

    `spool` is an existing folder for files in flight, on the file system of the upload folders and of wherever the
    owner moves files to; several servers may share it. `unfinished` says of a name that its writer is not done with
    the file. `port` 0 takes a free one.
    """

    def __init__(
        self,
        owner: Owner,
        *,
        host_keys: Sequence[asyncssh.SSHKey | Path],
        spool: Path,
        unfinished: Callable[[str], bool],
        on_event: Callable[[Event], None],
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._host_keys = host_keys
        limits = limits or Limits()
        self._context = Context(
            owner=owner,
            limits=limits,
            spool=Spool(spool),
            unfinished=unfinished,
            audit=Audit(on_event),
            startups=Startups(limits),
        )
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[Connection] = set()
        self._endings: set[asyncio.Task[None]] = set()

    async def start(self, *, reuse_port: bool = False, listening: socket.socket | None = None) -> int:
        """Listen, or take over a socket that listens already; returns the port.

        Raises `OSError` if the port is taken or the spool is missing.

        `RuntimeError` says that the installed asyncssh is not one that lands files safely.
        """
        handler.check()
        left = self._context.spool.remove_leftovers()
        if left:
            log.warning("Removed %d unfinished uploads left by a crash", left)
        limits = self._context.limits
        where = {"sock": listening} if listening else {"host": self._host, "port": self._port, "reuse_port": reuse_port}
        self._acceptor = await asyncssh.listen(
            **where,
            backlog=_BACKLOG,
            server_factory=self._connection,
            server_host_keys=algorithm.host_keys(self._host_keys),
            server_version="sftp_server",
            kex_algs=algorithm.key_exchange(),
            encryption_algs=algorithm.ENCRYPTION,
            mac_algs=algorithm.MAC,
            signature_algs=algorithm.SIGNATURE,
            compression_algs=algorithm.COMPRESSION,
            login_timeout=limits.login_grace,
            keepalive_interval=limits.keepalive_interval,
            keepalive_count_max=limits.keepalive_count,
            config=None,
            gss_host=None,
            x509_trusted_certs=None,
            public_key_auth=True,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_pty=False,
            allow_scp=False,
            line_editor=False,
        )
        return self._acceptor.get_port()

    async def stop(self, grace: float = 30) -> None:
        """Stop accepting, give landings under way `grace` seconds to end and be answered, then disconnect everybody.

        Uploads that are still being written are abandoned; their clients see the connection end.
        """
        self._context.stopping = True
        if self._acceptor is not None:
            self._acceptor.close()
        try:
            await asyncio.wait_for(self._context.settling.done(), grace)
        except TimeoutError:
            log.warning("Shutting down although files are still being landed after %g seconds", grace)
        for connection in tuple(self._connections):
            connection.disconnect("The server is shutting down")
        await self._all_gone()
        for connection in tuple(self._connections):
            connection.ssh.abort()
        await self._all_gone()
        if self._acceptor is not None:
            await self._acceptor.wait_closed()
        self._context.spool.close()

    async def _all_gone(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLOSING
        while (self._connections or self._endings) and loop.time() < deadline:
            waiting = [asyncio.ensure_future(connection.ssh.wait_closed()) for connection in self._connections]
            await asyncio.wait([*waiting, *self._endings], timeout=deadline - loop.time())
            for task in waiting:
                task.cancel()
            await asyncio.sleep(0)

    def _connection(self) -> Connection:
        return Connection(self._context, on_made=self._connections.add, on_gone=self._gone)

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        ending = asyncio.get_running_loop().create_task(connection.ended())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
