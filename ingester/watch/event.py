"""What the kernel says happens in inbox folders, through watchdog: hints that save waiting, never the truth.

One inotify instance serves every inbox: an observer for each would take a thread and one of the 128 instances that a
user may have. Events may be lost, so whoever listens looks by itself as well; where nothing can be heard at all it is
told so, and looks more often.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import structlog
from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask

from ingester.domain.name import is_unfinished
from ingester.watch.tree import Place

log = structlog.get_logger()

_MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_ONLYDIR
)
#: Of one inbox, between two looks; beyond that the whole folder is looked at instead.
_MOST_FILES = 20_000


class Evidence(IntEnum):
    """What was heard of a file; the greater one tells more."""

    TOUCHED = 0
    CLOSED = 1
    MOVED = 2


@dataclass(slots=True)
class Heard:
    """What was heard since the last time somebody asked."""

    #: Events were lost: anything may have happened anywhere.
    lost: bool = False
    #: Inbox → files in it.
    files: dict[str, dict[Place, Evidence]] = field(default_factory=dict)
    #: Inboxes to look at as a whole; the empty name is for the folder of all tenants.
    folders: set[str] = field(default_factory=set)


class Hints:
    """Listens in a thread of its own. `something` is set when there is news."""

    def __init__(self) -> None:
        self.something = threading.Event()
        self._lock = threading.Lock()
        self._heard = Heard()
        self._inotify: InotifyFD | None = None
        self._listeners: dict[Path, _Listener] = {}
        self._warned = False

    def start(self) -> None:
        """Begin to listen, if the system lets us."""
        try:
            self._inotify = InotifyFD()
            self._inotify.start()
        except OSError as error:
            self._degraded(error)

    def stop(self) -> None:
        """End."""
        if self._inotify is not None:
            self._inotify.stop()
            self._inotify.join()

    def listen(self, inbox: str, path: Path, folder: str, inode: int) -> bool | None:
        """Hear of what happens in one folder. True if that is new, False if we did already, None if it is not possible.

        `inode` is that of the folder now: another one under the same path is listened to anew.
        """
        listener = self._listeners.get(path)
        if listener is not None and listener.inode == inode:
            return False
        if self._inotify is None:
            return None
        listener = _Listener(self, inbox, path, folder, inode)
        try:
            if self._inotify.add_callback(os.fsencode(path), _MASK, listener, CallbackId(id(listener))) < 0:
                return None  # no right to read it
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._degraded(error, folder=str(path))
            return None
        self._listeners[path] = listener
        return True

    def take(self) -> Heard:
        """What was heard since the last call."""
        self.something.clear()
        with self._lock:
            heard, self._heard = self._heard, Heard()
        return heard

    def heard(self, inbox: str, place: Place, evidence: Evidence) -> None:
        """Note an event of a file."""
        with self._lock:
            files = self._heard.files.setdefault(inbox, {})
            if len(files) < _MOST_FILES:
                files[place] = max(evidence, files.get(place, evidence))
            else:
                self._heard.folders.add(inbox)
        self.something.set()

    def appeared(self, inbox: str) -> None:
        """Note that a folder is to be looked at as a whole."""
        with self._lock:
            self._heard.folders.add(inbox)
        self.something.set()

    def lost(self) -> None:
        """Note that events were lost."""
        with self._lock:
            self._heard.lost = True
        self.something.set()

    def forget(self, listener: _Listener) -> None:
        """Note that a folder is gone; another one may have its path by now."""
        if self._listeners.get(listener.path) is listener:
            del self._listeners[listener.path]

    def _degraded(self, error: OSError, **facts: str) -> None:
        """Say it once: with a limit reached it would be said for every folder."""
        if not self._warned:
            self._warned = True
            log.warning("folder_watch_without_events", error=str(error), **facts)


class _Listener:
    """Hears of one folder."""

    def __init__(self, hints: Hints, inbox: str, path: Path, folder: str, inode: int) -> None:
        self._hints = hints
        self._inbox = inbox
        self.path = path
        self._folder = folder
        self.inode = inode

    def on_event(self, event: InotifyEvent) -> None:
        """Something was made, moved here, or closed after writing."""
        name = os.fsdecode(event.name)
        if not name or is_unfinished(name):
            return
        if event.is_directory:
            self._hints.appeared(self._inbox)
        elif event.is_close_write:
            self._hints.heard(self._inbox, (self._folder, name), Evidence.CLOSED)
        elif event.is_moved_to:
            self._hints.heard(self._inbox, (self._folder, name), Evidence.MOVED)
        else:
            self._hints.heard(self._inbox, (self._folder, name), Evidence.TOUCHED)

    def on_watch_deleted(self, wd: int) -> None:
        """The folder is gone."""
        del wd
        self._hints.forget(self)

    def on_queue_overflow(self) -> None:
        """The kernel's queue was full."""
        self._hints.lost()
