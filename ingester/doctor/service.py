"""Checks of the running service: whether there is one, whether it answers, and what it says of itself."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing

from sqlmodel import select

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.store.ledger_tables import Lease

_SECONDS = 5.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 -- where to ask one that listens so
_LOG = "`journalctl -u ingester` shows its log."
_START = "`ingester up --data-dir {}`, or `systemctl start ingester`."


def running(subject: Subject) -> Iterator[Finding]:
    """Whether a service runs on this data directory."""
    if subject.running is not None:
        yield ok(f"the service runs as process {subject.running.pid}")
    elif subject.announced is not None:
        yield wrong(
            f"the service (process {subject.announced.pid}) died without stopping",
            f"{_START.format(subject.directory.root)} {_LOG}",
        )
    elif subject.exists and not _has_roles(subject):
        yield warning("no service runs here", _START.format(subject.directory.root))


def roles(subject: Subject) -> Iterator[Finding]:
    """Whether there are a scheduler and a watcher, where roles may be processes of their own."""
    if subject.ledger is None or subject.announced is not None or not _has_roles(subject):
        return
    with subject.ledger.reading() as session:
        leases = {lease.name: lease for lease in session.exec(select(Lease))}
    for name in ("scheduler", "watcher"):
        lease = leases.get(name)
        if lease is not None and lease.until > subject.now():
            yield ok(f"the {name} is {lease.holder}")
        else:
            yield warning(f"no {name} is at work", f"`ingester serve {name}` on one machine, or `ingester up`.")


def _has_roles(subject: Subject) -> bool:
    return subject.settings.ledger_url.startswith("postgresql")


def sftp(subject: Subject) -> Iterator[Finding]:
    """Whether the SFTP server greets who connects."""
    up = subject.running
    if up is None:
        return
    host = _ANYWHERE.get(up.host, up.host)
    try:
        with socket.create_connection((host, up.sftp_port), timeout=_SECONDS) as connection:
            greeting = connection.recv(64)
    except OSError as error:
        yield wrong(f"nobody answers on {host} port {up.sftp_port}: {error}", f"Restart the service; {_LOG}")
        return
    if greeting.startswith(b"SSH-2.0-"):
        yield ok(f"SFTP answers on {up.host} port {up.sftp_port}")
    else:
        yield wrong(f"{host} port {up.sftp_port} does not speak SSH", "Stop the other program that listens there.")


def health(subject: Subject) -> Iterator[Finding]:
    """What the service says of its own health: event loop, landing, workers, databases."""
    up = subject.running
    if up is None:
        return
    host = _ANYWHERE.get(up.http_host, up.http_host)
    try:
        with closing(http.client.HTTPConnection(host, up.http_port, timeout=_SECONDS)) as connection:
            connection.request("GET", "/readyz")
            told = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield wrong(f"the service does not answer on {host} port {up.http_port}: {error}", f"Restart it; {_LOG}")
        return
    for name, verdict in told["checks"].items():
        said = f"{name}: {verdict['said']}"
        yield ok(said) if verdict["ok"] else wrong(said, f"Restart the service if that lasts; {_LOG}")
