"""One SSH connection's life: waiting → logged in → gone, with its channels counted and its idleness watched."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable

from asyncssh import (
    DISC_BY_APPLICATION,
    OPEN_RESOURCE_SHORTAGE,
    ChannelOpenError,
    SSHKey,
    SSHServer,
    SSHServerChannel,
    SSHServerConnection,
)

from .auth import Login
from .channel import Channel
from .context import Context, Session
from .event import Event, log, printable


class Connection(SSHServer):
    """What asyncssh asks about one connection. `on_made` and `on_gone` let the server keep track of it."""

    def __init__(
        self,
        context: Context,
        *,
        on_made: Callable[[Connection], None],
        on_gone: Callable[[Connection], None],
    ) -> None:
        self.id = uuid.uuid4().hex
        self._context = context
        self._on_made = on_made
        self._on_gone = on_gone
        self._address = ""
        self._session: Session | None = None
        self._channels = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._reason: str | None = None

    # Before the login

    def connection_made(self, conn: SSHServerConnection) -> None:
        """Count a new connection; an older one may have to make room."""
        self.ssh = conn
        peer = conn.get_extra_info("peername")
        # A socket that takes both families gives IPv4 addresses in the form of IPv6.
        self._address = peer[0].removeprefix("::ffff:") if peer else ""
        self._login = Login(self._context.owner, conn, self._context.limits.login_tries)
        self._on_made(self)
        self._context.startups.enter(self._address, self, self._make_room)
        if self._context.stopping:
            conn.abort()

    async def begin_auth(self, username: str) -> bool:
        """Look up who wants to log in; everybody has to prove it."""
        await self._login.begin(username)
        return True

    def public_key_auth_supported(self) -> bool:
        """Offer public keys to everybody."""
        return True

    def validate_public_key(self, username: str, key: SSHKey) -> bool:  # noqa: ARG002 - asyncssh's signature
        """Whether the account may log in with this key."""
        return self._login.accepts(key)

    async def auth_completed(self) -> None:
        """Open the session."""
        account = self._login.account
        assert account is not None
        self._context.startups.leave(self._address, self)
        self._session = Session(id=self.id, account=account, address=self._address)
        await self._context.owner.session_opened(self.id, account.name)
        self._context.audit(self._session.event("login", keys=(self._login.key,)))
        self._watch_idle()

    # After the login

    def session_requested(self) -> tuple[SSHServerChannel[bytes], Channel]:
        """Open a channel, up to the limit."""
        if self._session is None or self._channels >= self._context.limits.channels:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "Too many sessions on one connection")
        self._channels += 1
        channel = Channel(self._context, self._session, on_start=self._serve, on_end=self._channel_ended)
        return self.ssh.create_server_channel(encoding=None), channel

    def connection_lost(self, exc: Exception | None) -> None:
        """Say how it ended; what its channels were doing ends on its own."""
        self._context.startups.leave(self._address, self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._session is None:
            self._report_failure()
        self._reason = self._reason or (printable(str(exc)) if exc else None)
        self._on_gone(self)

    async def ended(self) -> None:
        """After `connection_lost`: wait for what its channels still do, then tell the owner."""
        if self._serving:
            await asyncio.wait(self._serving)
        if self._session is None:
            return
        try:
            await self._context.owner.session_closed(self.id)
        except Exception:  # noqa: BLE001 - the connection is gone; nobody else would hear of it
            log.exception("Session %s: the owner failed to close it", self.id)
        seconds = round(time.time() - self._session.opened_at.timestamp(), 3)
        self._context.audit(self._session.event("session_closed", reason=self._reason, seconds=seconds))

    def disconnect(self, reason: str) -> None:
        """End the connection once what was written to it has been sent."""
        self._reason = reason
        self.ssh.disconnect(DISC_BY_APPLICATION, reason)

    def _make_room(self) -> None:
        self._reason = "too many connections were waiting to log in"
        self.ssh.abort()

    def _serve(self, task: asyncio.Task[None]) -> None:
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def _channel_ended(self) -> None:
        self._channels -= 1

    def _watch_idle(self) -> None:
        assert self._session is not None
        limit = self._context.limits.idle
        if not limit:
            return
        left = self._session.active_at + limit - time.monotonic()
        if left <= 0:
            self.disconnect(f"Idle for {limit:g} seconds")
        else:
            self._idle_timer = asyncio.get_running_loop().call_later(left, self._watch_idle)

    def _report_failure(self) -> None:
        login = self._login
        if login.name is None:
            return  # a port scan, or a health check: it never named anybody
        most = self._context.limits.login_tries
        reason = "too many tries" if login.tries >= most else self._reason or "no accepted key"
        self._context.audit(
            Event(
                name="login_failed",
                session=self.id,
                address=self._address,
                account=printable(login.name),
                reason=reason,
                keys=tuple(login.refused_keys),
            )
        )
