"""The composition root: builds the parts of some roles from settings, runs them together, takes them down in order.

The event loop serves SFTP; landing, folder watch and clocks are threads; imports run in worker processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from ingester import recovery, supervision
from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError
from ingester.domain.name import is_unfinished
from ingester.intake import Intake
from ingester.queue import Queue, worker_name
from ingester.role import EVERY, Role
from ingester.routing import Router
from ingester.ruleset.shipped import in_force
from ingester.schedule.clock import Clock
from ingester.settings import Settings
from ingester.store.datastore import DataStore
from ingester.store.lease import Leadership
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants
from ingester.tenancy import prepare_tenant
from ingester.watch.folder import FolderWatch
from ingester.watch.sftp import SftpOwner, record_event
from ingester.workforce import Workforce
from sftp_server import HostKey, HostKeyError, Limits, Server, ensure_host_keys

log = structlog.get_logger()

_SWEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What a service says when it can be used; without SFTP it has neither port nor host keys."""

    host: str
    sftp_port: int | None = None
    host_keys: tuple[HostKey, ...] = ()


class Service:
    """Everything `ingester up` runs, or the part of it that `ingester serve ROLE` does.

    With every role it has the data directory to itself; otherwise it shares it with other processes, and only a
    PostgreSQL ledger keeps them in step.
    """

    def __init__(self, settings: Settings, roles: frozenset[Role] = EVERY) -> None:
        self._settings = settings
        self._roles = roles
        self._alone = roles == EVERY
        if not self._alone and not settings.ledger_url.startswith("postgresql"):
            raise ConfigurationError(
                "several processes need a database that all of them reach",
                fix="Set INGESTER_DATABASE_URL to a PostgreSQL database, or run everything with `ingester up`.",
            )
        self.directory = DataDirectory(settings.data_dir)
        self.directory.create()
        self._lock = self.directory.lock(shared=not self._alone)
        self._rules = in_force(settings.rules_dirs)
        self.ledger = Ledger.open(settings.ledger_url)
        recovery.refuse_strangers(self.ledger, self.directory)
        self._router = Router(self._rules)
        self._prepare()
        self._intake = Intake(self.ledger, self._router, self.directory)
        self._name = worker_name()
        self._host_keys: tuple[HostKey, ...] = ()
        self._server = self._sftp_server() if Role.SFTP in roles else None
        self._folder_watch = self._watch() if Role.WATCHER in roles else None
        self._clock = self._schedule() if Role.SCHEDULER in roles else None
        self._workers = Workforce(settings, self._rules, Queue(self.ledger)) if Role.WORKER in roles else None

    # --- building ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Bring tables and tenants' folders up to the rules; what a crash left, if nobody else can be at work."""
        store = DataStore.open(self._settings.data_url)
        try:
            store.ensure_tables(self._rules)
            for tenant in Tenants(self.ledger).all():
                prepare_tenant(self.directory, self._router, tenant)
            if self._alone:
                recovery.reconcile(self.ledger, store, self.directory)
        finally:
            # Only workers need it from here on.
            store.close()

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._settings.sftp.visible_grace_seconds)

    def _sftp_server(self) -> Server:
        try:
            self._host_keys = ensure_host_keys(self.directory.host_keys)
        except HostKeyError as error:
            raise ConfigurationError(str(error)) from error
        return Server(
            SftpOwner(self.ledger, self._intake, self._router, self.directory, self._grace),
            host_keys=[key.path for key in self._host_keys],
            spool=self.directory.incoming,
            unfinished=is_unfinished,
            on_event=record_event,
            host=self._settings.sftp.host,
            port=self._settings.sftp.port,
            limits=Limits(file_bytes=self._settings.sftp.max_upload_bytes),
        )

    def _watch(self) -> FolderWatch:
        leadership = None if self._alone else Leadership(self.ledger, "watcher", self._name)
        return FolderWatch(self.ledger, self._intake, self.directory, self._settings.folder, leadership)

    def _schedule(self) -> Clock:
        clock = Clock(self.ledger, self.directory, self._grace, name=self._name, alone=self._alone)
        if not self._alone:
            clock.every(_SWEEP_SECONDS, self._sweep)
        return clock

    def _sweep(self) -> None:
        store = DataStore.open(self._settings.data_url)
        try:
            recovery.sweep(self.ledger, store, self.directory)
            recovery.tell(self.ledger, store, self.directory)
        finally:
            store.close()

    # --- running -------------------------------------------------------------------------------------------------

    async def run(self, on_ready: Callable[[Ready], None], until: asyncio.Event | None = None) -> None:
        """Serve until SIGTERM or SIGINT, or until `until` is set; then finish what is under way."""
        stop = until or asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with contextlib.AsyncExitStack() as parts:
            parts.callback(self._stopped)
            host, port = await self._start(parts)
            ready = Ready(host, port, self._host_keys)
            if self._alone:
                self._announce(ready)
                parts.callback(partial(self.directory.announcement.unlink, missing_ok=True))
            alive = asyncio.create_task(supervision.keep_alive(self._is_well))
            parts.callback(alive.cancel)
            parts.callback(supervision.say, "STOPPING=1", "STATUS=Finishing what is under way")
            parts.callback(log.info, "stopping")
            supervision.say("READY=1", f"STATUS=At work: {', '.join(sorted(self._roles))}")
            on_ready(ready)
            log.info("ready", roles=sorted(self._roles), sftp_port=port, data_dir=str(self.directory.root))
            if self._workers is not None:
                await self._workers.watch(stop)
            await stop.wait()

    async def _start(self, parts: contextlib.AsyncExitStack) -> tuple[str, int | None]:
        """Start every part there is; `parts` takes them down in the opposite order. Returns the SFTP host and port."""
        if self._workers is not None:
            self._workers.start()
            parts.push_async_callback(asyncio.to_thread, self._workers.stop)
        if self._server is not None or self._folder_watch is not None:
            self._intake.start()
            parts.push_async_callback(asyncio.to_thread, self._intake.stop)
        for part in (self._clock, self._folder_watch):
            if part is not None:
                part.start()
                parts.push_async_callback(asyncio.to_thread, part.stop)
        host, port = self._settings.sftp.host, self._settings.sftp.port
        if self._server is None:
            return host, None
        listening = supervision.listening_socket()
        if listening is not None:
            host = listening.getsockname()[0]
        try:
            port = await self._server.start(listening=listening)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror or error}",
                fix="Stop what uses the port, or choose another with --sftp-port.",
            ) from error
        parts.push_async_callback(self._server.stop)
        return host, port

    def _is_well(self) -> bool:
        """Whether every part is at work, as far as can be told without waiting."""
        lands = self._intake if self._server is not None or self._folder_watch is not None else None
        return all(part.is_alive for part in (lands, self._folder_watch, self._clock) if part is not None)

    def _stopped(self) -> None:
        self.ledger.close()
        os.close(self._lock)
        log.info("stopped")

    def _announce(self, ready: Ready) -> None:
        temporary = self.directory.announcement.with_suffix(".tmp")
        temporary.write_text(json.dumps({"pid": os.getpid(), "host": ready.host, "sftp_port": ready.sftp_port}))
        temporary.rename(self.directory.announcement)
