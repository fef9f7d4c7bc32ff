"""A customer of a running service: has a key, uploads with the clients customers use, reads the outbox."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import asyncssh
import paramiko

from tests.report import Report, reports

if TYPE_CHECKING:
    from tests.service import Service

T = TypeVar("T")


class Tenant:
    """One tenant of `service`; keeps its key pair beside the service's data directory."""

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.name = name
        self.key = service.scratch / f"{name}.key"
        pair = asyncssh.generate_private_key("ssh-ed25519")
        self.key.touch(mode=0o600)
        pair.write_private_key(str(self.key))
        pair.write_public_key(str(self.key.with_suffix(".pub")))

    @cached_property
    def folder(self) -> Path:
        return self.service.data_dir / "tenants" / self.name

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    def sftp_command(self, *options: str) -> list[str]:
        """The OpenSSH client's command line; it reads its commands from standard input and stops at the first error."""
        settings = (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=accept-new",
            f"UserKnownHostsFile={self.service.scratch / 'known_hosts'}",
        )
        flags = [part for setting in settings for part in ("-o", setting)]
        to = ["-P", str(self.service.port), "-i", str(self.key), *options, f"{self.name}@{self.service.host}"]
        return ["sftp", "-F", "none", "-b", "-", *flags, *to]

    def sftp(self, *commands: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run OpenSSH `sftp` with these commands, one after the other."""
        done = subprocess.run(
            self.sftp_command(), input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=60
        )
        if check:
            assert done.returncode == 0, f"sftp {commands}:\n{done.stdout}{done.stderr}\n{self.service.log}"
        return done

    @contextmanager
    def transport(self) -> Iterator[paramiko.Transport]:
        """A paramiko connection, logged in."""
        # paramiko leaves a socket open that it cannot connect.
        connected = socket.create_connection((self.service.host, self.service.port))
        with closing(paramiko.Transport(connected)) as transport:
            transport.connect(username=self.name, pkey=paramiko.Ed25519Key.from_private_key_file(str(self.key)))
            yield transport

    @contextmanager
    def connect(self) -> Iterator[paramiko.SFTPClient]:
        """A paramiko SFTP session."""
        with self.transport() as transport:
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            with closing(client):
                yield client

    def wait(
        self, name: str, *, count: int = 1, status: str | None = None, seconds: float = 30, poll: float = 0.02
    ) -> Report:
        """Wait until `count` drops called `name` have ended, or stand at `status`; the newest one's report."""

        def arrived() -> Report | None:
            found = [r for r in reports(self.outbox, name) if (r.status["status"] == status if status else r.ended)]
            return found[-1] if len(found) >= count else None

        return self.until(arrived, f"{count} report(s) about {name}", seconds=seconds, poll=poll)

    def until(self, arrived: Callable[[], T | None], what: str, *, seconds: float = 30, poll: float = 0.02) -> T:
        """Ask again and again until there is an answer."""
        deadline = time.monotonic() + seconds
        while (answer := arrived()) is None:
            if time.monotonic() > deadline:
                seen = {report.path.name: report.brief() for report in reports(self.outbox)}
                raise AssertionError(
                    f"waited {seconds} s for {what}\nin the outbox: {seen}\n{self.service.log[-4000:]}"
                )
            time.sleep(poll)
        return answer
