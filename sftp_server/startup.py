"""Connections that have not logged in yet, and which of them makes room when there are too many.

OpenSSH refuses newcomers when its startups are full, so whoever holds a hundred idle connections locks everybody
out. Here the oldest connection of the busiest address is dropped instead: a real login takes a fraction of a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from .limits import Limits


class Startups:
    """The connections between their TCP handshake and their login."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Dictionaries keep order: the first key of an address is its oldest connection.
        self._waiting: dict[str, dict[object, Callable[[], None]]] = defaultdict(dict)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, address: str, connection: object, drop: Callable[[], None]) -> None:
        """Count a new connection; `drop` is called if it has to make room for a later one."""
        if len(self._waiting.get(address, ())) >= self._limits.startups_per_address:
            self._drop_oldest(address)
        elif self._count >= self._limits.startups:
            self._drop_oldest(max(self._waiting, key=lambda name: len(self._waiting[name])))
        self._waiting[address][connection] = drop
        self._count += 1

    def leave(self, address: str, connection: object) -> None:
        """Stop counting a connection: it logged in or is gone."""
        waiting = self._waiting.get(address)
        if waiting is None or waiting.pop(connection, None) is None:
            return
        self._count -= 1
        if not waiting:
            del self._waiting[address]

    def _drop_oldest(self, address: str) -> None:
        connection, drop = next(iter(self._waiting[address].items()))
        self.leave(address, connection)
        drop()
