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

_HTTP_PORTS = {Role.SFTP: 8081, Role.WATCHER: 8082, Role.SCHEDULER: 8083, Role.WORKER: 8084, Role.API: 8085}


def http_port(roles: frozenset[Role]) -> int:
    """Where a process tells of its metrics and health unless told otherwise, so that one of each fits on a machine."""
    return _HTTP_PORTS[next(iter(roles))] if len(roles) == 1 else 8080
