"""Counts what clients of the SFTP server do, from the events of its audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sftp_server import Event

#: In seconds, from the opening of an upload until its client was answered OK.
_BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


class SftpMeter:
    """Give it every event. `sessions` says how many clients are logged in."""

    def __init__(self, registry: CollectorRegistry, sessions: Callable[[], int]) -> None:
        def counter(name: str, said: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(f"ingester_sftp_{name}", said, labels, registry=registry)

        Gauge("ingester_sftp_sessions", "Clients that are logged in.", registry=registry).set_function(sessions)
        self._logins = counter("logins", "Logins.")
        self._failures = counter("login_failures", "Connections that named an account and did not get in.")
        self._refusals = counter("refusals", "Requests that were refused for what they asked.")
        self._uploads = counter(
            "uploads", "Ends of uploads; `kept` has an unfinished name and lands when renamed.", ["result"]
        )
        self._received = counter("received_bytes", "Bytes of uploads, however they ended.")
        self._sent = counter("sent_bytes", "Bytes of downloads.")
        self._seconds = Histogram(
            "ingester_sftp_upload_seconds",
            "From the opening of an upload until it is answered OK.",
            buckets=_BOUNDS,
            registry=registry,
        )
        for result in ("landed", "kept", "abandoned"):
            self._uploads.labels(result)

    def count(self, event: Event) -> None:
        """Count one event."""
        match event.name:
            case "login":
                self._logins.inc()
            case "login_failed":
                self._failures.inc()
            case "refused":
                self._refusals.inc()
            case "download":
                self._sent.inc(event.size or 0)
            case "landed" | "kept" | "abandoned":
                self._uploads.labels(event.name).inc()
                # A kept file that lands has been counted, and comes without a time.
                if event.seconds is not None:
                    self._received.inc(event.size or 0)
                    if event.name != "abandoned":
                        self._seconds.observe(event.seconds)
            case _:
                pass
