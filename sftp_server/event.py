"""What the server reports for the audit log: one event per thing a client did or was refused. Never a secret."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from .name import CONTROL

log = logging.getLogger("sftp_server")

EventName = Literal[
    "login",
    "login_failed",
    "session_closed",
    "upload_started",
    "landed",
    "kept",
    "abandoned",
    "download",
    "removed",
    "renamed",
    "refused",
]

_LONGEST = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that happened. `kept` is an upload closed under an unfinished name; None means not applicable."""

    name: EventName
    #: Unique id of the SSH connection.
    session: str
    address: str
    #: The login name; of a failed login, what the client claimed.
    account: str | None = None
    #: As the client sees it: `/inbox/customers.csv`.
    path: str | None = None
    new_path: str | None = None
    #: What was asked for, of a refusal.
    request: str | None = None
    reason: str | None = None
    #: Bytes received or sent.
    size: int | None = None
    sha256: str | None = None
    #: SHA256 fingerprints of the key that logged in, or of those that were refused.
    keys: tuple[str, ...] = ()
    #: How long a session or an upload took; not of a file that lands by its rename.
    seconds: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return what is known, without the name, for a structured log."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "name"}
        return {name: value for name, value in values.items() if value is not None and value != ()}


def printable(text: str | bytes) -> str:
    """Make a client's text safe for one line of a log or a message: controls escaped, length bounded."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)[:_LONGEST]


def seconds_since(moment: datetime) -> float:
    """How long ago it was, by a clock that may have been set back meanwhile."""
    return round(max(0.0, (datetime.now(UTC) - moment).total_seconds()), 3)


class Audit:
    """Sends events to the owner's callback, whose failure must never harm a client."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event

    def __call__(self, event: Event) -> None:
        """Report one event."""
        try:
            self._on_event(event)
        except Exception:
            log.exception("The audit callback failed on %s", event.name)
