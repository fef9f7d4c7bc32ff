"""The parts that a service is made of, each of which may be a process, or many, of its own."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a process does. `ingester up` does all of it."""

    SFTP = "sftp"
    WATCHER = "watcher"
    SCHEDULER = "scheduler"
    WORKER = "worker"
    API = "api"


EVERY = frozenset(Role)
