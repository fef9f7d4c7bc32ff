"""The process that sends one message through Apprise: an order as JSON on standard input, an answer on standard output.

Once the library is loaded, an audit hook sees every connection before it is made: to an address that the guard does not
permit, or to a name that would be looked up again, there is none; nor is another program started.
"""

from __future__ import annotations

import json
import logging
import sys
from ipaddress import ip_network
from typing import Any

from ingester.notify.guard import AddressRefused, Guard

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_STARTING = ("subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "pty.", "syslog.")


class _Watch:
    """What the library may do, and what it was refused."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.refused: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_STARTING):
            self._refuse("Apprise wanted to start a program here")
        if event in _CONNECTING:
            address = arguments[1]
            if address is None:  # sendmsg on a connection that was checked when it was made
                return
            if not isinstance(address, tuple):
                self._refuse("Apprise wanted to talk to a program here")
            try:
                self._guard.refuse(str(address[0]))
            except AddressRefused as error:
                self._refuse(error.message)

    def _refuse(self, why: str) -> None:
        self.refused.append(why)
        raise PermissionError(why)


def _send(order: dict[str, Any]) -> str | None:
    import apprise

    guard = Guard(tuple(ip_network(text) for text in order.get("allowed", ())))
    target = apprise.Apprise(asset=apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY))
    watch = _Watch(guard)
    sys.addaudithook(watch)
    if not target.add(order["url"]):
        return "Apprise does not understand the URL"
    if order.get("check"):
        return None
    if target.notify(title=order["title"], body=order["text"]):
        return None
    # The library's own words may hold parts of the URL.
    return f"refused: {watch.refused[0]}" if watch.refused else "the service did not take it"


def main() -> None:
    """Read the order, send, answer."""
    logging.disable(logging.CRITICAL)
    error = _send(json.load(sys.stdin))
    sys.stdout.write(json.dumps({"error": error}))


if __name__ == "__main__":
    main()
