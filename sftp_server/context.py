"""What all connections of one server share, and what one logged-in connection is."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asyncssh import SFTPPermissionDenied

from .event import Audit, Event, EventName
from .limits import Limits
from .owner import Account, Owner
from .spool import Spool
from .startup import Startups
from .upload import OpenUpload


class Settling:
    """Requests whose outcome matters after a shutdown: closes and renames, up to and including the answer."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request for the time of a `with`."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def done(self) -> None:
        """Wait until there is none."""
        await self._none.wait()


@dataclass(kw_only=True, slots=True)
class Context:
    """What all connections of one server share."""

    owner: Owner
    limits: Limits
    spool: Spool
    #: Whether a name says that its writer is not done with the file.
    unfinished: Callable[[str], bool]
    audit: Audit
    startups: Startups
    settling: Settling = field(default_factory=Settling)
    #: Set at shutdown: nothing new is begun.
    stopping: bool = False


@dataclass(kw_only=True, slots=True, eq=False)
class Session:
    """One logged-in SSH connection."""

    id: str
    account: Account
    address: str
    opened_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: What is being uploaded right now, oldest first; several may have one name.
    uploads: list[OpenUpload] = field(default_factory=list)
    #: When the client last asked for something, by the monotonic clock.
    active_at: float = field(default_factory=time.monotonic)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def spool_name(self) -> str:
        """Return a name for a spool file that no other session uses."""
        return f"{self.id}-{next(self.numbers)}"

    def read_only(self, path: str) -> SFTPPermissionDenied:
        """Return the refusal to write at `path`, which says where uploads go."""
        uploads = [f"/{name}" for name, folder in self.account.folders.items() if folder.upload]
        advice = f"; upload into {' or '.join(uploads)}" if uploads else ""
        return SFTPPermissionDenied(f"Nothing can be written in {path}{advice}")

    def event(self, name: EventName, **facts: Any) -> Event:
        """Make an audit event of this session."""
        return Event(name=name, session=self.id, address=self.address, account=self.account.name, **facts)
