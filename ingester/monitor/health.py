"""Whether a service is alive and whether it is ready: named checks, each asked with a bound on its time.

A check returns a few words when all is well and raises Unwell when it is not. Alive means that restarting would not
help; ready, that work can be done.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import structlog
from sqlalchemy import Engine, text

from ingester.domain.errors import IngesterError
from ingester.monitor.question import Question
from ingester.store import database

log = structlog.get_logger()

Check = Callable[[], str]

_PATIENCE_SECONDS = 2.0
#: Syncing a large file to a slow disk takes long; nothing else may.
_LANDING_SECONDS = 120.0


class Unwell(IngesterError):
    """Something keeps the service from being alive or ready."""


class Health:
    """Checks by name."""

    def __init__(self) -> None:
        self._checks: dict[str, Question[str]] = {}

    def add(self, name: str, check: Check) -> None:
        """Have one more check."""
        self._checks[name] = Question(check)

    def judge(self) -> tuple[bool, Mapping[str, object]]:
        """Whether every check is well, and what each says, to be written as JSON. Takes two seconds at most."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        asked = {name: question.ask() for name, question in self._checks.items()}
        found = {name: _verdict(name, answer, deadline - time.monotonic()) for name, answer in asked.items()}
        well = all(verdict["ok"] for verdict in found.values())
        return well, {"ok": well, "checks": found}


def _verdict(name: str, answer: Future[str], seconds: float) -> dict[str, object]:
    try:
        return {"ok": True, "said": answer.result(max(0.0, seconds))}
    except TimeoutError:
        return {"ok": False, "said": f"no answer within {_PATIENCE_SECONDS:g} s"}
    except IngesterError as error:
        return {"ok": False, "said": error.message}
    except Exception as error:
        log.exception("health_check_failed", check=name)
        return {"ok": False, "said": f"the check failed: {type(error).__name__}"}


def event_loop(loop: asyncio.AbstractEventLoop) -> str:
    """Whether the event loop still runs what it is given."""
    began, ran = time.monotonic(), Future[None]()
    loop.call_soon_threadsafe(ran.set_result, None)
    ran.result(_PATIENCE_SECONDS * 10)
    return f"answered in {1000 * (time.monotonic() - began):.1f} ms"


def landing(busy_seconds: Callable[[], float | None]) -> str:
    """Whether the landing thread lives and gets on; `busy_seconds` is None when it is gone."""
    busy = busy_seconds()
    if busy is None:
        raise Unwell("the landing thread is gone")
    if busy > _LANDING_SECONDS:
        raise Unwell(f"the landing thread has been at one group of files for {busy:.0f} s")
    return f"busy for {busy:.1f} s" if busy else "idle"


def answers(engine: Engine) -> str:
    """Whether a database answers."""
    began = time.monotonic()
    with database.translated(), engine.connect() as connection:
        connection.execute(text("SELECT version_num FROM alembic_version"))
    return f"answered in {1000 * (time.monotonic() - began):.1f} ms"


def workers(alive: Callable[[], int], wanted: int) -> str:
    """Whether any worker is alive; dead ones are replaced, so that fewer than wanted is a passing state."""
    count = alive()
    if not count:
        raise Unwell(f"none of {wanted} workers is alive")
    return f"{count} of {wanted} are alive"


def disk(folder: Path, floor: int) -> str:
    """Whether there is room for more than `floor` bytes."""
    free = free_bytes(folder)
    if free < floor:
        raise Unwell(f"{free:,} bytes are free, fewer than {floor:,}")
    return f"{free:,} bytes are free"


def host_keys(paths: Sequence[Path]) -> str:
    """Whether the SSH host keys are still there and nobody else's to read: the next start needs them."""
    for path in paths:
        try:
            exposed = path.stat().st_mode & 0o077
        except OSError as error:
            raise Unwell(f"the host key {path.name} cannot be read: {error.strerror}") from error
        if exposed:
            raise Unwell(f"the host key {path.name} is open to other users")
    return f"{len(paths)} keys"


def free_bytes(folder: Path) -> int:
    """How much an ordinary user may still write where `folder` is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
