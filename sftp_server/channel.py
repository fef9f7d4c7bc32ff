"""One channel of a connection: it can start the SFTP subsystem and nothing else."""

# ruff: noqa: ARG002 - the signatures are asyncssh's

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from asyncssh import SSHReader, SSHServerChannel, SSHWriter
from asyncssh.stream import SSHServerStreamSession

from .context import Context, Session
from .handler import Handler
from .request import Requests


class Channel(SSHServerStreamSession[bytes]):
    """A session channel; without a session factory, asyncssh's base class refuses shells and commands.

    `on_start` receives the task that serves the channel, `on_end` hears that the channel is closed.
    """

    def __init__(
        self,
        context: Context,
        session: Session,
        *,
        on_start: Callable[[asyncio.Task[None]], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(None)
        self._context = context
        self._session = session
        self._on_start = on_start
        self._on_end = on_end

    def subsystem_requested(self, subsystem: str) -> bool:
        """Accept `sftp` only."""
        return subsystem == "sftp" or self._refuse("subsystem")

    def shell_requested(self) -> bool:
        """Refuse."""
        return self._refuse("shell")

    def exec_requested(self, command: str) -> bool:
        """Refuse, `scp` in its old protocol included."""
        return self._refuse("exec")

    def pty_requested(self, term_type: str, term_size: object, term_modes: Mapping[int, int]) -> bool:
        """Refuse."""
        return False

    def session_started(self) -> None:
        """Serve SFTP on the channel."""
        channel, connection = self._chan, self._conn
        assert isinstance(channel, SSHServerChannel)
        assert connection is not None
        requests = Requests(channel, self._context, self._session)
        reader, writer = SSHReader[bytes](self, channel), SSHWriter[bytes](self, channel)
        self._on_start(connection.create_task(Handler(requests, reader, writer).run(), reader.logger))

    def signal_received(self, signal: str) -> None:
        """Ignore; asyncssh would end the whole connection."""

    def break_received(self, msec: int) -> bool:
        """Ignore; asyncssh would end the whole connection."""
        return False

    def soft_eof_received(self) -> None:
        """Ignore; there is no terminal."""

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Ignore; there is no terminal."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the channel as closed."""
        super().connection_lost(exc)
        self._on_end()

    def _refuse(self, request: str) -> bool:
        self._context.audit(self._session.event("refused", request=request, reason="only SFTP is offered"))
        return False
