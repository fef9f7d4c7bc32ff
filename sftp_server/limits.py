"""Every number that bounds what a client can ask of the server, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a client may ask for. The defaults are OpenSSH's where OpenSSH has one; times are in seconds."""

    #: From the TCP connection to a finished login.
    login_grace: float = 120
    #: Refused login requests on one connection before it is cut off (MaxAuthTries).
    login_tries: int = 6
    #: Connections that have not logged in yet; above it the oldest of the busiest address makes room (MaxStartups).
    startups: int = 100
    #: The same for a single address.
    startups_per_address: int = 50
    #: SFTP sessions on one connection (MaxSessions).
    channels: int = 10
    #: Open files and folders in one SFTP session.
    handles: int = 128
    #: An SFTP packet, in bytes.
    packet_bytes: int = 256 * 1024
    #: What one READ request answers at most, in bytes; a client asks again for the rest.
    read_bytes: int = 255 * 1024
    #: One uploaded file, in bytes.
    file_bytes: int = 50 * 1024**3
    #: Between two probes of a silent client, and how many may go unanswered.
    keepalive_interval: float = 30
    keepalive_count: int = 4
    #: Without any SFTP request; 0 never ends an idle connection.
    idle: float = 1800

    def __post_init__(self) -> None:
        for name in ("login_tries", "startups", "startups_per_address", "channels", "handles", "file_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not 1024 <= self.read_bytes < self.packet_bytes:
            raise ValueError("read_bytes must be at least 1024 and less than packet_bytes")
