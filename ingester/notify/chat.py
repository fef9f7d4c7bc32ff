"""Everything else that Apprise speaks: Slack, Teams, Telegram, PagerDuty and some hundred more.

Each message is sent by a process of its own (`chat_child.py`): the library and what it loads are gone afterwards, the
time it may take is bounded, and in there every connection is checked against the guard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ingester.domain.errors import PermanentError, TransientError, UsageError
from ingester.notify.guard import Guard

_DEADLINE_SECONDS = 30.0
_MOST_ERROR = 300
#: What acts on this machine or its own network's devices, not on a service; mail and webhooks are ours.
LOCAL = frozenset(
    {
        *("dbus", "kde", "qt", "gio", "glib", "gnome", "macosx", "windows", "syslog", "blink1", "growl"),
        *("mailto", "mailtos", "file", "exec", "http", "https"),
    }
)


def check(url: str) -> None:
    """UsageError for a URL that Apprise cannot use, or that would act on this machine."""
    _refuse_local(url)
    if error := _run({"url": url, "check": True}):
        raise UsageError(error, fix="See https://appriseit.com/services for the form of its URL.")


def send(url: str, title: str, text: str, guard: Guard) -> None:
    """Send one message; PermanentError for a URL that cannot work, TransientError if it did not go through."""
    _refuse_local(url)
    allowed = [str(network) for network in guard.allowed]
    if error := _run({"url": url, "title": title, "text": text, "allowed": allowed}):
        raise TransientError(error)


def _refuse_local(url: str) -> None:
    scheme, colon, _ = url.partition("://")
    if not colon or not scheme.isascii():
        raise UsageError("that is no target", fix="Say mailto:NAME@HOST, https://HOST/PATH or a URL of Apprise.")
    if scheme.lower() in LOCAL:
        raise UsageError(
            f"{scheme.lower()}:// is not a target of Apprise here", fix="Mail is mailto:NAME@HOST, a webhook https://…"
        )


def _run(order: dict[str, object]) -> str | None:
    """What went wrong, if anything. The URL is told on standard input: a command line is everybody's to read."""
    root = Path(__file__).parents[2]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(root),
        "HOME": "/nonexistent",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ingester.notify.chat_child"],
            input=json.dumps(order).encode(),
            capture_output=True,
            env=environment,
            cwd="/",
            timeout=_DEADLINE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the service did not take it within {_DEADLINE_SECONDS:g} s"
    except OSError as error:
        raise TransientError(f"Apprise cannot be started: {error}") from None
    if done.returncode != 0:
        raise PermanentError(f"Apprise ended with {done.returncode}")
    said = json.loads(done.stdout)["error"]
    return None if said is None else str(said)[:_MOST_ERROR]
